// Loads GLBs with Babylon.js on its NullEngine and prints what arrives, a line of JSON per file.
//
//   node babylon_node.mjs FILE...
//
// Node hierarchy, geometry and materials are real; pictures are not decoded without a browser.

import { readFile } from "node:fs/promises";
import { NullEngine } from "@babylonjs/core/Engines/nullEngine.js";
import { LoadAssetContainerAsync } from "@babylonjs/core/Loading/sceneLoader.js";
import { Tools } from "@babylonjs/core/Misc/tools.js";
import { Scene } from "@babylonjs/core/scene.js";
import "@babylonjs/loaders/glTF/2.0/index.js";
import { MeshoptDecoder } from "meshoptimizer";

// Babylon fetches the decoder from its CDN and runs it in a worker; node has it as a package.
globalThis.MeshoptDecoder = { ...MeshoptDecoder, useWorkers: () => {} };
globalThis.MeshoptDecoder.decodeGltfBufferAsync = async (count, stride, source, mode, filter) => {
  const target = new Uint8Array(count * stride);
  MeshoptDecoder.decodeGltfBuffer(target, count, stride, source, mode, filter);
  return target;
};
Tools.LoadBabylonScriptAsync = async () => {};

const SLOTS = {
  albedoTexture: "base color",
  bumpTexture: "normal",
  metallicTexture: "metallic-roughness",
  emissiveTexture: "emissive",
};

function described(node) {
  const parent = node.parent?.name === "__root__" ? null : (node.parent?.name ?? null);
  const found = { name: node.name, parent };
  if (node.getTotalIndices?.() > 0) {
    node.computeWorldMatrix(true);
    const { minimumWorld, maximumWorld } = node.getBoundingInfo().boundingBox;
    found.triangles = node.getTotalIndices() / 3;
    found.min = minimumWorld.asArray();
    found.max = maximumWorld.asArray();
  }
  return found;
}

const engine = new NullEngine();
for (const file of process.argv.slice(2)) {
  const scene = new Scene(engine);
  try {
    const content = new Uint8Array(await readFile(file));
    const options = { pluginExtension: ".glb" };
    const container = await LoadAssetContainerAsync(content, scene, options);
    container.addAllToScene();
    const all = [...container.transformNodes, ...container.meshes];
    const nodes = all.filter((node) => node.name !== "__root__");
    const materials = {};
    for (const material of container.materials) {
      const slots = Object.keys(SLOTS).filter((slot) => material[slot]);
      if (nodes.some((node) => node.material === material && !/^U[A-Z]{2}_/.test(node.name))) {
        materials[material.name] = slots.map((slot) => SLOTS[slot]);
      }
    }
    console.log(JSON.stringify({ file, nodes: nodes.map(described), outside: null, materials }));
  } catch (error) {
    console.log(JSON.stringify({ file, error: String(error).split("\n")[0] }));
  }
  scene.dispose();
}
engine.dispose();
process.exit(0); // Babylon's timers would keep node alive
