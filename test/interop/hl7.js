// Orders over MLLP by the npm clients node-hl7-client and simple-hl7:
//     node hl7.js PORT FILE
// sends each message of the file (messages end with a blank line) with both,
// node-hl7-client also an ADT^A08 of its own. Prints, as JSON, MSA-1 and
// MSA-2 of every answer.
'use strict';
const fs = require('fs');
const {Client, Message} = require('node-hl7-client');
const simple = require('simple-hl7');

const port = Number(process.argv[2]);
const texts = fs.readFileSync(process.argv[3], 'utf8').split('\r\r')
    .map((text) => text.trim()).filter((text) => text);

function withNodeHl7(messages, answers) {
  return new Promise((resolve, reject) => {
    const got = [];
    const client = new Client({host: '127.0.0.1'});
    const outbound = client.createOutbound({port}, async (res) => {
      // Its own reader stumbles on the end of the last segment.
      const msa = res.getMessage().toString().split('\r')
          .find((line) => line.startsWith('MSA')).split('|');
      got.push([msa[1], msa[2]]);
      if (got.length === answers) {
        await outbound.close();
        resolve(got);
      } else if (messages.length) {
        await outbound.sendMessage(messages.shift());
      }
    });
    outbound.on('client.error', reject);
    outbound.on('error', reject);
    outbound.sendMessage(messages.shift()).catch(reject);
  });
}

function withSimple(message) {
  return new Promise((resolve, reject) => {
    const client = simple.Server.createTcpClient('127.0.0.1', port);
    client.send(message, (err, ack) => {
      if (err) return reject(err);
      const msa = ack.getSegment('MSA');
      resolve([msa.getField(1), msa.getField(2)]);
      client.close();
    });
  });
}

async function main() {
  const seen = {};
  const built = new Message({messageHeader: {
    msh_9_1: 'ADT', msh_9_2: 'A08', msh_10: 'BUILT', msh_11_1: 'P'}});
  seen.one = await withNodeHl7([
    ...texts.map((text) => new Message({text})), built], texts.length + 1);
  seen.simple = [];
  const parser = new simple.Parser();
  for (const text of texts)
    seen.simple.push(await withSimple(parser.parse(text)));
  console.log(JSON.stringify(seen));
  process.exit(0);
}

main().catch((e) => {
  console.error(e);
  process.exit(1);
});
