// Event streams with the AWS SDK for JavaScript, unmodified, over a port: `node streams.mjs MODULES URL`; prints ok.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [modules, endpoint] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const logs = require("@aws-sdk/client-cloudwatch-logs");
const kinesis = require("@aws-sdk/client-kinesis");
const { NodeHttpHandler } = require("@smithy/node-http-handler");

// Its names for hosts are AWS's; its client for Kinesis speaks HTTP/2 unless it is told otherwise.
const common = { endpoint, region: "us-east-1", credentials: { accessKeyId: "test", secretAccessKey: "test" } };
const ofLogs = new logs.CloudWatchLogsClient({ ...common, disableHostPrefix: true });
const ofKinesis = new kinesis.KinesisClient({ ...common, requestHandler: new NodeHttpHandler() });
const withLogs = (name, input) => ofLogs.send(new logs[`${name}Command`](input));
const withKinesis = (name, input) => ofKinesis.send(new kinesis[`${name}Command`](input));

await withLogs("CreateLogGroup", { logGroupName: "app" });
await withLogs("CreateLogStream", { logGroupName: "app", logStreamName: "web" });
const { logGroupArn } = (await withLogs("DescribeLogGroups", {})).logGroups[0];
const tail = await withLogs("StartLiveTail", { logGroupIdentifiers: [logGroupArn], logEventFilterPattern: "ERROR" });
const seen = [];
for await (const event of tail.responseStream) {
  if (event.sessionStart) {
    assert.deepEqual(event.sessionStart.logGroupIdentifiers, [logGroupArn]);
    const logEvents = ["INFO 1", "ERROR 2"].map((message) => ({ timestamp: Date.now(), message }));
    await withLogs("PutLogEvents", { logGroupName: "app", logStreamName: "web", logEvents });
  } else {
    seen.push(...event.sessionUpdate.sessionResults.map((result) => result.message));
    if (seen.length) break;
  }
}
assert.deepEqual(seen, ["ERROR 2"]);

await withKinesis("CreateStream", { StreamName: "clicks", ShardCount: 1 });
const { StreamARN } = (await withKinesis("DescribeStreamSummary", { StreamName: "clicks" })).StreamDescriptionSummary;
const { Consumer } = await withKinesis("RegisterStreamConsumer", { StreamARN, ConsumerName: "reader" });
const start = { ConsumerARN: Consumer.ConsumerARN, ShardId: "shardId-000000000000" };
const subscribe = () => withKinesis("SubscribeToShard", { ...start, StartingPosition: { Type: "LATEST" } });
const first = await subscribe();
await assert.rejects(subscribe(), kinesis.ResourceInUseException);
const texts = [];
for await (const { SubscribeToShardEvent: event } of first.EventStream) {
  assert.ok(event.ContinuationSequenceNumber);
  texts.push(...event.Records.map((record) => Buffer.from(record.Data).toString()));
  if (texts.length === 2) break;
  await withKinesis("PutRecord", { StreamName: "clicks", Data: Buffer.from("ü"), PartitionKey: "p" });
}
assert.deepEqual(texts, ["ü", "ü"]);
await assert.rejects(withLogs("StartLiveTail", { logGroupIdentifiers: ["app"] }), logs.InvalidParameterException);
console.log("ok");
process.exit(0);
