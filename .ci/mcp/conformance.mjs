// Runs the official conformance suite against a server, for both revisions, and prints one line for each scenario.
//
//     node conformance.mjs URL FOLDER_FOR_RESULTS
//
// A scenario passes if the suite made at least one check that holds, and none that fails or warns. A scenario that does not
// apply to a server without sessions is listed below with the reason, and fails once it would pass: the list stays true.
import { spawn } from "node:child_process";
import { readFileSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const [url, folder] = process.argv.slice(2);
const installed = createRequire(`${process.env.MCP_ENVIRONMENT}/package.json`);
const suite = join(process.env.MCP_ENVIRONMENT, "node_modules/@modelcontextprotocol/conformance");
const yaml = installed("yaml");

const asks = "it takes a session: the server asks in the middle of a call, and the answer comes as a POST of its own";
const session = "it is about sessions, and there are none";
const DOES_NOT_APPLY = {
  "2025-11-25": {
    "tools-call-sampling": asks,
    "tools-call-elicitation": asks,
    "elicitation-sep1034-defaults": asks,
    "elicitation-sep1330-enums": asks,
    "server-sse-multiple-streams": session,
    "server-sse-polling": session,
    "server-session-lifecycle": session,
  },
  "2026-07-28": {},
};
const ONE_SCENARIO = 30_000;
const ALL_SCENARIOS = 300_000;

/** Runs the suite for a revision; its results lie in `output` afterwards. */
function run(revision, output) {
  const options = ["server", "--url", url, "--requirements", revision, "--timeout", String(ONE_SCENARIO), "-o", output];
  const child = spawn(process.execPath, [join(suite, "dist/index.js"), ...options], { stdio: ["ignore", "ignore", "inherit"] });
  const late = setTimeout(() => child.kill("SIGKILL"), ALL_SCENARIOS);
  return new Promise((ended) => child.on("exit", (code, signal) => (clearTimeout(late), ended(signal ?? code))));
}

/** The checks of a scenario, if it ran. */
function checks(output, scenario) {
  const name = new RegExp(`^server-${scenario}-\\d{4}-`);
  const found = readdirSync(output, { recursive: true }).filter((path) => path.endsWith("checks.json"));
  const path = found.find((path) => name.test(dirname(path).split("/").pop()));
  return path && JSON.parse(readFileSync(join(output, path), "utf8"));
}

let [passed, failed] = [0, 0];
for (const revision of Object.keys(DOES_NOT_APPLY)) {
  const output = join(folder, revision);
  rmSync(output, { recursive: true, force: true });
  const ended = await run(revision, output);
  const required = yaml.parse(readFileSync(join(suite, `requirements/${revision}.yaml`), "utf8"));
  const unscored = required.not_scored.filter(({ leg }) => leg === "server");
  for (const scenario of [...required.server, ...unscored.map(({ scenario }) => scenario)]) {
    const made = checks(output, scenario) ?? [];
    const count = (status) => made.filter((check) => check.status === status).length;
    const bad = made.filter(({ status }) => status === "FAILURE" || status === "WARNING");
    const holds = count("SUCCESS") > 0 && bad.length === 0;
    const why = DOES_NOT_APPLY[revision][scenario];
    const reason = unscored.find((one) => one.scenario === scenario)?.reason;
    const say = (word, text) => console.log(`${revision} ${scenario}: ${word}${text ? `, ${text}` : ""}`);
    if (why && !holds) {
      say("does not apply", why);
      // In the suite's own words.
      const words = made.filter(({ status }) => status !== "SUCCESS").map((check) => check.errorMessage ?? check.details?.message);
      console.log(`    the suite: ${words.find(Boolean) ?? `nothing (it ended with ${ended})`}`);
    } else if (why) {
      failed += 1;
      say("FAILED", "it passes, and is listed as one that does not apply");
    } else if (reason === "extension") {
      say("not tried", "an extension that tieout does not have");
    } else if (holds) {
      passed += 1;
      say("passed", `${count("SUCCESS")} checks${count("SKIPPED") ? `, ${count("SKIPPED")} skipped by the suite` : ""}`);
    } else {
      failed += 1;
      say("FAILED", made.length ? "" : `the suite made no check (it ended with ${ended})`);
      for (const { id, status, errorMessage } of bad.length ? bad : made) console.log(`    ${status} ${id}: ${errorMessage ?? ""}`);
    }
  }
}
console.log(`conformance: ${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
