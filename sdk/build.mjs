// Builds a package for both module systems: node build.mjs typescript
import { execFileSync } from "node:child_process";
import { copyFileSync, rmSync, writeFileSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const home = join(import.meta.dirname ?? ".", process.argv[2]);
const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
const manifest = join(home, "package.json");
const text = readFileSync(manifest, "utf8");
const compile = (...options) => execFileSync(process.execPath, [tsc, "-p", home, ...options], { stdio: "inherit" });

rmSync(join(home, "dist"), { recursive: true, force: true });
compile("--outDir", join(home, "dist/esm"));
// The compiler takes the module system of a file from the package around it.
writeFileSync(manifest, text.replace('"type": "module"', '"type": "commonjs"'));
try {
  compile("--outDir", join(home, "dist/cjs"), "--verbatimModuleSyntax", "false");
} finally {
  writeFileSync(manifest, text);
}
copyFileSync(join(home, "../../LICENSE"), join(home, "LICENSE"));
writeFileSync(join(home, "dist/cjs/package.json"), '{ "type": "commonjs" }\n');
