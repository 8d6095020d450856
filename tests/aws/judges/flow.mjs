// The AWS SDK for JavaScript, unmodified, over a port: `node flow.mjs MODULES URL`; prints ok.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [modules, endpoint] = process.argv.slice(2);
const sdk = createRequire(`${modules}/`)("@aws-sdk/client-dynamodb");
const credentials = { accessKeyId: "test", secretAccessKey: "test" };
const client = new sdk.DynamoDBClient({ endpoint, region: "us-east-1", credentials });
const send = (name, input) => client.send(new sdk[`${name}Command`]({ TableName: "cats", ...input }));

await send("CreateTable", {
  KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
  AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
  BillingMode: "PAY_PER_REQUEST",
});
await sdk.waitUntilTableExists({ client, maxWaitTime: 10, minDelay: 1 }, { TableName: "cats" });
const cat = { id: { S: "1" }, weight: { N: "4.5" }, picture: { B: new Uint8Array([255, 0]) }, tags: { SS: ["ü"] } };
await send("PutItem", { Item: cat });
assert.deepEqual((await send("GetItem", { Key: { id: { S: "1" } } })).Item, cat);

const condition = "attribute_not_exists(id)";
const again = { Item: cat, ConditionExpression: condition, ReturnValuesOnConditionCheckFailure: "ALL_OLD" };
await assert.rejects(send("PutItem", again), (error) => {
  assert.ok(error instanceof sdk.ConditionalCheckFailedException);
  assert.equal(error.message, "The conditional request failed");
  assert.deepEqual(error.Item, cat);
  return true;
});
await assert.rejects(send("GetItem", { TableName: "none", Key: { id: { S: "1" } } }), sdk.ResourceNotFoundException);
let count = 0;
for await (const page of sdk.paginateScan({ client, pageSize: 1 }, { TableName: "cats" })) count += page.Count;
assert.equal(count, 1);
console.log("ok");
