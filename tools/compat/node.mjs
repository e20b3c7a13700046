// Hardhat's node in the clothes of anvil: it takes anvil's arguments, says what anvil says when it starts, and stands
// before Hardhat's own JSON-RPC server with the methods that only anvil has, under Hardhat's names. Everything else passes
// as it comes, so that what the keeper meets is Hardhat.
import http from "node:http";
import { keccak256 } from "@nomicfoundation/hardhat-utils/crypto";
import { createHardhatRuntimeEnvironment } from "hardhat/hre";

const given = (name, otherwise) => {
  const at = process.argv.findIndex((word) => word === `--${name}` || word === `-${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const HOST = "127.0.0.1";
const chainId = Number(given("chain-id", "31337"));
// The development keys of anvil and Hardhat alike, worth nothing elsewhere.
const keys = [
  "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
  "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
  "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
  "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
  "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
  "0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
  "0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
  "0x4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
  "0xdbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
  "0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6",
];

const hre = await createHardhatRuntimeEnvironment({
  networks: {
    node: {
      type: "edr-simulated",
      chainType: "l1",
      chainId,
      hardfork: "cancun",
      blockGasLimit: Number(given("gas-limit", "60000000")),
      initialBaseFeePerGas: Number(given("base-fee", "1000000000")),
      initialDate: new Date(Number(given("timestamp", "1700000000")) * 1000).toISOString(),
      mining: { auto: false, interval: 0, mempool: { order: "fifo" } },
      accounts: keys.map((privateKey) => ({ privateKey, balance: (10n ** 27n).toString() })),
      throwOnTransactionFailures: false,
      throwOnCallFailures: true,
    },
  },
});
const server = await hre.network.createServer("node", HOST, 0);
const { port: behind } = await server.listen();

// Those that this stage uses. What Hardhat has no word for is answered as anvil would.
const renamed = {
  anvil_setNextBlockBaseFeePerGas: "hardhat_setNextBlockBaseFeePerGas",
  anvil_setBalance: "hardhat_setBalance",
  anvil_setCode: "hardhat_setCode",
  anvil_setStorageAt: "hardhat_setStorageAt",
  anvil_impersonateAccount: "hardhat_impersonateAccount",
};
const answered = { anvil_setLoggingEnabled: null };

const call = async (body) => {
  const answer = await fetch(`http://${HOST}:${behind}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  return answer.text();
};

const hexOf = (value) => (typeof value === "number" ? `0x${value.toString(16)}` : value);

const ask = async (method, ...params) => {
  const answer = JSON.parse(await call(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params })));
  if ("error" in answer) throw new Error(`${method}: ${answer.error.message}`);
  return answer.result;
};

const word = (value) => BigInt(value).toString(16).padStart(64, "0");

// Finds where the token keeps its balances as anvil does: by trying.
const deal = async ([holder, token, amount]) => {
  const balanceOf = { to: token, data: `0x70a08231${word(holder)}` };
  for (let at = 0; at < 64; at += 1) {
    const digest = await keccak256(Buffer.from(word(holder) + word(at), "hex"));
    // Hardhat takes a quantity here, so without leading zeros.
    const slot = `0x${BigInt(`0x${Buffer.from(digest).toString("hex")}`).toString(16)}`;
    const before = await ask("eth_getStorageAt", token, slot, "latest");
    await ask("hardhat_setStorageAt", token, slot, `0x${word(amount)}`);
    if (BigInt(await ask("eth_call", balanceOf, "latest")) === BigInt(amount)) return null;
    await ask("hardhat_setStorageAt", token, slot, before);
  }
  throw new Error(`no balance of ${token} is found`);
};

const one = async (request) => {
  const { id, method } = request;
  if (method === "anvil_dealERC20") {
    return JSON.stringify({ jsonrpc: "2.0", id, result: await deal(request.params) });
  }
  if (method in answered) return JSON.stringify({ jsonrpc: "2.0", id, result: answered[method] });
  if (method in renamed) {
    const params = request.params.map(hexOf);
    const answer = JSON.parse(await call(JSON.stringify({ ...request, method: renamed[method], params })));
    // Hardhat says true where anvil says nothing.
    return JSON.stringify("error" in answer ? answer : { ...answer, result: null });
  }
  return call(JSON.stringify(request));
};

const front = http.createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  response.setHeader("content-type", "application/json");
  try {
    const asked = JSON.parse(text);
    if (!Array.isArray(asked)) return response.end(await one(asked));
    const answers = [];
    for (const each of asked) answers.push(await one(each));
    response.end(`[${answers.join(",")}]`);
  } catch (error) {
    response.statusCode = 502;
    response.end(String(error));
  }
});

front.listen(Number(given("port", given("p", "0"))), HOST, () => {
  console.log("Private Keys\n==================");
  keys.forEach((key, at) => console.log(`(${at}) ${key}`));
  console.log(`Chain ID: ${chainId}`);
  console.log(`Listening on ${HOST}:${front.address().port}`);
});

// Whoever started it may be killed before it can stop it.
const parent = process.ppid;
setInterval(() => process.ppid === parent || process.exit(0), 500);
