// Calls a V2 server as any program outside Python would, and prints what it got as one line of JSON.
//
// Usage: node client.mjs <folder of the .proto files> <address> [<root certificate>]

import { readFileSync } from "node:fs";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const STREAMED = 200;
const LARGE = 3_000_000; // bytes: more than every default window and buffer
const GUARD_MS = 60_000;

const [protos, address, rootCertificate] = process.argv.slice(2);
const definition = protoLoader.loadSync("grpc_service.proto", {
  includeDirs: [protos],
  keepCase: true,
  longs: Number,
  enums: String,
});
const { inference } = grpc.loadPackageDefinition(definition);
const credentials = rootCertificate
  ? grpc.credentials.createSsl(readFileSync(rootCertificate))
  : grpc.credentials.createInsecure();
const connect = (options) => new inference.GRPCInferenceService(address, credentials, options);
const client = connect({ "grpc.max_receive_message_length": -1 });
const zipping = connect({
  "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip,
});

function call(method, request, { through = client, withinMs = GUARD_MS } = {}) {
  const deadline = Date.now() + withinMs;
  return new Promise((resolve, reject) => {
    through[method](request, { deadline }, (error, answer) =>
      error ? reject(error) : resolve(answer),
    );
  });
}

function inferRequest(model, datatype, bytes, id = "") {
  const element = datatype === "INT32" ? 4 : 1;
  return {
    model_name: model,
    id,
    inputs: [{ name: "INPUT0", datatype, shape: [1, bytes.length / element] }],
    raw_input_contents: [bytes],
  };
}

function numberBytes(number) {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(number);
  return bytes;
}

async function statusOf(promise) {
  try {
    await promise;
    return { code: 0, details: "" };
  } catch (error) {
    return { code: error.code, details: error.details };
  }
}

// All requests are sent before the first answer is waited for.
function stream() {
  return new Promise((resolve, reject) => {
    const numbers = [];
    const open = client.ModelStreamInfer({ deadline: Date.now() + GUARD_MS });
    open.on("data", ({ error_message, infer_response }) => {
      if (error_message) reject(new Error(error_message));
      else numbers.push(infer_response.raw_output_contents[0].readInt32LE());
    });
    open.on("error", reject);
    open.on("end", () => resolve(numbers));
    for (let number = 0; number < STREAMED; ++number) {
      open.write(inferRequest("identity_int32", "INT32", numberBytes(number), `${number}`));
    }
    open.end();
  });
}

const large = Buffer.alloc(LARGE, "tensor");
const request = inferRequest("identity_int32", "INT32", numberBytes(-7), "seven");
const [inferred, compressed, largeAnswer] = await Promise.all([
  call("ModelInfer", request),
  call("ModelInfer", request, { through: zipping }),
  call("ModelInfer", inferRequest("identity_uint8", "UINT8", large)),
]);
const result = {
  live: (await call("ServerLive", {})).live,
  ready: (await call("ModelReady", { name: "identity_int32" })).ready,
  name: (await call("ServerMetadata", {})).name,
  platform: (await call("ModelMetadata", { name: "identity_int32" })).platform,
  id: inferred.id,
  number: inferred.raw_output_contents[0].readInt32LE(),
  compressed: compressed.raw_output_contents[0].readInt32LE(),
  large_is_same: large.equals(largeAnswer.raw_output_contents[0]),
  streamed: await stream(),
  unknown: await statusOf(call("ModelInfer", inferRequest("模型", "INT32", numberBytes(0)))),
  late: await statusOf(
    call("ModelInfer", inferRequest("slow", "INT32", numberBytes(0)), { withinMs: 100 }),
  ),
};
process.stdout.write(`${JSON.stringify(result)}\n`);
client.close();
zipping.close();
