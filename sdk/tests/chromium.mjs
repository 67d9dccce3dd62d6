// A real Chromium, in which names lead to this machine.
import { execFileSync } from "node:child_process";
import { chromium } from "playwright-core";

/** Starts the browser of Debian. Hosts below example.test are this machine. */
export function startBrowser() {
  const executablePath = execFileSync("sh", ["-c", "command -v chromium"], { encoding: "utf8" }).trim();
  const args = [
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP *.example.test 127.0.0.1, MAP localhost 127.0.0.1, MAP * ~NOTFOUND",
  ];
  return chromium.launch({ executablePath, args, chromiumSandbox: false });
}
