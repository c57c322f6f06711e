// Loads GLBs with three.js in a real Chromium and prints what arrives, one line of JSON per file.
//
//   node three_browser.mjs FILE...
//
// With the decoders of meshopt and KTX2, so pictures and meshes are really decoded. The page comes
// from localhost; nothing is fetched from elsewhere. CHROMIUM names the browser.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import puppeteer from "puppeteer-core";

const HERE = dirname(fileURLToPath(import.meta.url));
const TIMEOUT_MS = 60_000;
const TYPES = { ".js": "text/javascript", ".wasm": "application/wasm" };
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--use-angle=swiftshader",
  "--enable-unsafe-swiftshader",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

const PAGE = `<!doctype html><body>
<script type="importmap">{"imports": {"three": "/three/build/three.module.js"}}</script>
<script type="module">
import * as THREE from "three";
import { GLTFLoader } from "/three/examples/jsm/loaders/GLTFLoader.js";
import { KTX2Loader } from "/three/examples/jsm/loaders/KTX2Loader.js";
import { MeshoptDecoder } from "/three/examples/jsm/libs/meshopt_decoder.module.js";

const renderer = new THREE.WebGLRenderer();
const ktx2 = new KTX2Loader().setTranscoderPath("/three/examples/jsm/libs/basis/");
ktx2.detectSupport(renderer);
const loader = new GLTFLoader().setKTX2Loader(ktx2).setMeshoptDecoder(MeshoptDecoder);
const SLOTS = {
  map: "base color",
  normalMap: "normal",
  metalnessMap: "metallic-roughness",
  emissiveMap: "emissive",
};

function described(object, parent) {
  const found = { name: object.userData.name ?? object.name, parent };
  if (object.isMesh) {
    const box = new THREE.Box3().setFromObject(object, true);
    found.triangles = object.geometry.index.count / 3;
    found.min = box.min.toArray();
    found.max = box.max.toArray();
  }
  return found;
}

window.describe = async (url) => {
  const gltf = await loader.loadAsync(url);
  gltf.scene.updateMatrixWorld(true);
  const nodes = [];
  const materials = {};
  const walk = (object, parent) => {
    nodes.push(described(object, parent));
    if (object.isMesh) {
      const { material } = object;
      const slots = Object.keys(SLOTS).filter((slot) => (material[slot]?.image?.width ?? 0) > 0);
      // Three makes a material of its own for meshes without one.
      if (material.name) materials[material.name] = slots.map((slot) => SLOTS[slot]);
    }
    for (const child of object.children) walk(child, object.userData.name ?? object.name);
  };
  for (const child of gltf.scene.children) walk(child, null);
  const loaded = new Set();
  gltf.scene.traverse((object) => loaded.add(gltf.parser.associations.get(object)?.nodes));
  const outside = [];
  for (const index of gltf.parser.json.nodes.keys()) {
    if (loaded.has(index)) continue;
    const object = await gltf.parser.getDependency("node", index);
    outside.push(described(object, null));
  }
  return { nodes, outside, materials };
};
window.ready = true;
</script>`;

async function serve(model) {
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url, "http://localhost").pathname);
    try {
      if (path === "/") {
        response.setHeader("Content-Type", "text/html").end(PAGE);
      } else if (path === "/model.glb") {
        response.setHeader("Content-Type", "model/gltf-binary").end(await readFile(model()));
      } else if (path.startsWith("/three/")) {
        const source = await readFile(join(HERE, "node_modules", path));
        const type = TYPES[extname(path)] ?? "application/octet-stream";
        response.setHeader("Content-Type", type).end(source);
      } else {
        response.writeHead(404).end();
      }
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

let current = "";
const server = await serve(() => current);
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: FLAGS,
});
const page = await browser.newPage();
await page.goto(`http://127.0.0.1:${server.address().port}/`);
await page.waitForFunction("window.ready", { timeout: TIMEOUT_MS });
for (const [number, file] of process.argv.slice(2).entries()) {
  current = file;
  try {
    const found = await page.evaluate(`window.describe("/model.glb?${number}")`);
    console.log(JSON.stringify({ file, ...found }));
  } catch (error) {
    console.log(JSON.stringify({ file, error: String(error).split("\n")[0] }));
  }
}
await browser.close();
server.close();
