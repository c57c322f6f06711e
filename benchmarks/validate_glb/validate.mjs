// Runs the Khronos glTF validator on files; exits 1 if any has an error or a warning.
//
//   node validate.mjs FILE_OR_FOLDER...
//
// Of a folder all GLBs below it are checked, and only the totals and what is wrong are printed.

import { readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { validateBytes, version } from "gltf-validator";

const SEVERITIES = ["error", "warning", "info", "hint"];

// The validator does not know KHR_texture_basisu, and so takes its pictures for unknown formats.
const KTX2_CODES = new Set(["VALUE_NOT_IN_LIST", "IMAGE_UNRECOGNIZED_FORMAT"]);

function extensionsRequired(content) {
  const length = content.readUInt32LE(12);
  return JSON.parse(content.subarray(20, 20 + length)).extensionsRequired ?? [];
}

async function check(file) {
  const content = await readFile(file);
  const report = await validateBytes(new Uint8Array(content), { uri: file, maxIssues: 0 });
  const { totalTriangleCount, totalVertexCount } = report.info;
  const hasKtx2 = extensionsRequired(content).includes("KHR_texture_basisu");
  const isUnknownPicture = ({ code, pointer }) =>
    hasKtx2 && KTX2_CODES.has(code) && pointer?.startsWith("/images/");
  const messages = report.issues.messages.map((issue) =>
    isUnknownPicture(issue) ? { ...issue, severity: 2 } : issue,
  );
  const counts = SEVERITIES.map((_, level) => messages.filter((m) => m.severity === level).length);
  return { file, messages, counts, totalTriangleCount, totalVertexCount };
}

async function glbsBelow(folder) {
  const names = await readdir(folder, { recursive: true });
  return names.filter((name) => name.endsWith(".glb")).map((name) => join(folder, name)).sort();
}

function print({ file, messages, counts, totalTriangleCount, totalVertexCount }, worstOnly) {
  if (!worstOnly || counts[0] + counts[1] > 0) {
    console.log(
      `${file}: ${counts.map((count, level) => `${count} ${SEVERITIES[level]}s`).join(", ")};` +
        ` ${totalTriangleCount} triangles, ${totalVertexCount} vertices`,
    );
  }
  for (const { severity, code, pointer, message } of messages) {
    if (worstOnly && severity > 1) continue;
    console.log(`  ${SEVERITIES[severity]} ${code} ${pointer ?? ""} ${message}`);
  }
}

const places = process.argv.slice(2);
if (places.length === 0) {
  console.error("usage: node validate.mjs FILE_OR_FOLDER...");
  process.exit(2);
}

console.log(`glTF validator ${version()}`);
let failed = 0;
for (const place of places) {
  const isFolder = (await stat(place)).isDirectory();
  const files = isFolder ? await glbsBelow(place) : [place];
  const totals = [0, 0, 0, 0];
  for (const file of files) {
    const result = await check(file);
    print(result, isFolder);
    result.counts.forEach((count, level) => (totals[level] += count));
    failed += result.counts[0] + result.counts[1] > 0 ? 1 : 0;
  }
  if (isFolder) {
    const counts = totals.map((count, level) => `${count} ${SEVERITIES[level]}s`).join(", ");
    console.log(`${place}: ${files.length} files, ${counts}`);
  }
  if (files.length === 0) failed += 1; // nothing checked is nothing proven
}
process.exit(failed > 0 ? 1 : 0);
