// dcmjs-dimse against the server at 127.0.0.1:PORT: echo, store the files
// named, find and get their study. Prints one JSON line of what came back.
//   node dcmjs.js PORT STUDY_UID FILE... [--ca CERTIFICATE]
// With a certificate it speaks TLS with whoever shows that one.
'use strict';

const fs = require('fs');
const dcmjs = require('dcmjs-dimse');
const { Client } = dcmjs;
const { CEchoRequest, CStoreRequest, CFindRequest, CGetRequest } = dcmjs.requests;
const { CStoreResponse } = dcmjs.responses;
const { Status } = dcmjs.constants;

dcmjs.log.level = 'error';

const words = process.argv.slice(2);
const ca = words.includes('--ca') ? words.splice(words.indexOf('--ca'), 2)[1] : null;
const [port, study, ...files] = words;
const options = ca ? {
  securityOptions: { ca: fs.readFileSync(ca), rejectUnauthorized: true, checkServerIdentity: () => undefined },
} : {};
const seen = { echo: null, stored: [], found: [], got: [] };

function run(requests, prepare) {
  return new Promise((resolve, reject) => {
    const client = new Client();
    requests.forEach((r) => client.addRequest(r));
    if (prepare) prepare(client);
    client.on('networkError', reject);
    client.on('associationRejected', (r) => reject(new Error(`rejected: ${r}`)));
    client.on('closed', resolve);
    client.send('127.0.0.1', Number(port), 'DCMJS', 'FILEROOM', options);
  });
}

async function main() {
  const echo = new CEchoRequest();
  echo.on('response', (r) => { seen.echo = r.getStatus(); });
  const stores = files.map((f) => {
    const store = new CStoreRequest(f);
    store.on('response', (r) => seen.stored.push(r.getStatus()));
    return store;
  });
  await run([echo, ...stores]);

  const find = CFindRequest.createStudyFindRequest({ StudyInstanceUID: study, PatientID: '', PatientName: '' });
  find.on('response', (r) => {
    if (r.getStatus() === Status.Pending && r.hasDataset()) {
      seen.found.push(r.getDataset().getElement('PatientID'));
    }
  });
  await run([find]);

  const get = CGetRequest.createStudyGetRequest(study);
  await run([get], (client) => {
    client.on('cStoreRequest', (request, callback) => {
      seen.got.push(request.getDataset().getElement('SOPInstanceUID'));
      const response = CStoreResponse.fromRequest(request);
      response.setStatus(Status.Success);
      callback(response);
    });
  });
  console.log(JSON.stringify(seen));
}

main().then(() => process.exit(0), (e) => { console.error(e); process.exit(1); });
