// Runs the Khronos glTF validator on files; exits 1 if any has an error or a warning.
//
//   node validate.mjs FILE...

import { readFile } from "node:fs/promises";
import { validateBytes, version } from "gltf-validator";

const SEVERITIES = ["error", "warning", "info", "hint"];

const files = process.argv.slice(2);
if (files.length === 0) {
  console.error("usage: node validate.mjs FILE...");
  process.exit(2);
}

console.log(`glTF validator ${version()}`);
let failed = 0;
for (const file of files) {
  const report = await validateBytes(new Uint8Array(await readFile(file)), {
    uri: file,
    maxIssues: 0,
  });
  const { numErrors, numWarnings, numInfos, numHints, messages } = report.issues;
  const { totalTriangleCount, totalVertexCount } = report.info;
  console.log(
    `${file}: ${numErrors} errors, ${numWarnings} warnings, ${numInfos} infos, ${numHints} hints;` +
      ` ${totalTriangleCount} triangles, ${totalVertexCount} vertices`,
  );
  for (const { severity, code, pointer, message } of messages) {
    console.log(`  ${SEVERITIES[severity]} ${code} ${pointer ?? ""} ${message}`);
  }
  failed += numErrors + numWarnings > 0 ? 1 : 0;
}
process.exit(failed > 0 ? 1 : 0);
