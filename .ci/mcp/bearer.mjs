// A forwarder that adds a token, and nothing else: the conformance suite asks without one, and the server of agents lets
// nobody in without. Host, Origin and all other headers pass as they came.
//
//     node bearer.mjs FILE_OF_THE_TOKEN PORT_TO_FORWARD_TO PORT_TO_LISTEN_ON
import { readFileSync } from "node:fs";
import { createServer, request } from "node:http";

const [file, to, port] = process.argv.slice(2);
const token = readFileSync(file, "utf8").trim();

createServer((incoming, outgoing) => {
  const headers = [...incoming.rawHeaders, "Authorization", `Bearer ${token}`];
  const { method, url: path } = incoming;
  const asked = request({ host: "127.0.0.1", port: Number(to), method, path, headers, setHost: false }, (answer) => {
    outgoing.writeHead(answer.statusCode, answer.rawHeaders);
    answer.pipe(outgoing);
  });
  asked.on("error", () => outgoing.destroy());
  // Who goes away has gone away on the other side, too.
  outgoing.on("close", () => asked.destroy());
  incoming.pipe(asked);
}).listen(Number(port), "127.0.0.1");
