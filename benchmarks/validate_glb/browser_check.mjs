// Loads GLBs with three.js in a real Chromium and takes a picture of each.
//
//   node browser_check.mjs OUT_FOLDER FILE...
//
// Fails if a file does not load, if a texture is missing, or if nothing is visible. The page and
// three.js come from localhost; nothing is fetched from elsewhere. CHROMIUM names the browser.

import { createServer } from "node:http";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import puppeteer from "puppeteer-core";

const HERE = dirname(fileURLToPath(import.meta.url));
const SIZE_PX = 512;
const TIMEOUT_MS = 60_000;
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

const PAGE = `<!doctype html><body style="margin:0"><canvas id="view"></canvas>
<script type="importmap">{"imports": {"three": "/three/build/three.module.js"}}</script>
<script type="module">
import * as THREE from "three";
import { GLTFLoader } from "/three/examples/jsm/loaders/GLTFLoader.js";
import { RoomEnvironment } from "/three/examples/jsm/environments/RoomEnvironment.js";

const canvas = document.getElementById("view");
const renderer = new THREE.WebGLRenderer({ canvas, antialias: true, preserveDrawingBuffer: true });
renderer.setSize(${SIZE_PX}, ${SIZE_PX});
renderer.toneMapping = THREE.NeutralToneMapping;
const scene = new THREE.Scene();
scene.background = new THREE.Color(0xd0d0d0);
scene.environment = new THREE.PMREMGenerator(renderer).fromScene(new RoomEnvironment()).texture;
const key = new THREE.DirectionalLight(0xffffff, 2);
key.position.set(-1, 1.5, 2);
scene.add(key);

window.show = async () => {
  const gltf = await new GLTFLoader().loadAsync("/model.glb");
  scene.add(gltf.scene);
  const box = new THREE.Box3().setFromObject(gltf.scene);
  const center = box.getCenter(new THREE.Vector3());
  const radius = box.getSize(new THREE.Vector3()).length() / 2;
  const camera = new THREE.PerspectiveCamera(30, 1, radius / 100, radius * 100);
  const from = new THREE.Vector3(0.5, 0.33, 0.8).normalize();
  camera.position.copy(center).addScaledVector(from, radius * 3.4);
  camera.lookAt(center);

  const meshes = [];
  const blank = [];
  gltf.scene.traverse((object) => {
    if (!object.isMesh) return;
    const { index, attributes } = object.geometry;
    const count = (index ? index.count : attributes.position.count) / 3;
    meshes.push({ name: object.name, triangles: count });
    for (const [slot, value] of Object.entries(object.material)) {
      if (value?.isTexture && !(value.image?.width > 0)) blank.push(slot);
    }
  });

  // What the model adds to the picture, so that an empty one is noticed.
  const shot = () => {
    renderer.render(scene, camera);
    const copy = document.createElement("canvas");
    copy.width = copy.height = ${SIZE_PX};
    const context = copy.getContext("2d");
    context.drawImage(canvas, 0, 0);
    return context.getImageData(0, 0, ${SIZE_PX}, ${SIZE_PX}).data;
  };
  gltf.scene.visible = false;
  const empty = shot();
  gltf.scene.visible = true;
  const full = shot();
  let covered = 0;
  for (let i = 0; i < full.length; i += 4) {
    const change = [0, 1, 2].map((c) => Math.abs(full[i + c] - empty[i + c]));
    if (Math.max(...change) > 4) covered += 1;
  }
  return {
    meshes,
    blank,
    covered: covered / (full.length / 4),
    png: canvas.toDataURL("image/png").split(",")[1],
  };
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
        response.setHeader("Content-Type", "model/gltf-binary").end(model);
      } else if (path.startsWith("/three/")) {
        const source = await readFile(join(HERE, "node_modules", path));
        response.setHeader("Content-Type", "text/javascript").end(source);
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

async function check(browser, file, outFolder) {
  const server = await serve(await readFile(file));
  const page = await browser.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    const isFavicon = message.location().url?.endsWith("/favicon.ico");
    if (message.type() === "error" && !isFavicon) complaints.push(message.text());
  });
  try {
    await page.setViewport({ width: SIZE_PX, height: SIZE_PX });
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    await page.waitForFunction("window.ready", { timeout: TIMEOUT_MS });
    const { meshes, blank, covered, png } = await page.evaluate("window.show()");
    const out = join(outFolder, `${basename(file, ".glb")}.png`);
    await writeFile(out, Buffer.from(png, "base64"));
    const list = meshes.map(({ name, triangles }) => `${name} ${triangles}`).join(", ");
    console.log(`${file}: ${list}; covers ${(covered * 100).toFixed(1)} % -> ${out}`);
    if (blank.length > 0) complaints.push(`textures without an image: ${blank.join(", ")}`);
    if (covered < 0.01) complaints.push("nothing is visible");
  } catch (error) {
    complaints.push(String(error));
  } finally {
    await page.close();
    server.close();
  }
  for (const complaint of complaints) console.log(`  error ${complaint}`);
  return complaints.length === 0;
}

const [outFolder, ...files] = process.argv.slice(2);
if (files.length === 0) {
  console.error("usage: node browser_check.mjs OUT_FOLDER FILE...");
  process.exit(2);
}
await mkdir(outFolder, { recursive: true });
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: FLAGS,
});
let failed = 0;
for (const file of files) failed += (await check(browser, file, outFolder)) ? 0 : 1;
await browser.close();
process.exit(failed > 0 ? 1 : 0);
