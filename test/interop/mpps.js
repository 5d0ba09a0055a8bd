// dcmjs-dimse as a modality: N-CREATE, N-SET and N-GET of a performed procedure
// step. Prints one JSON line of the statuses and of what N-GET gave.
//   node mpps.js PORT STUDY_UID STATUS
'use strict';

const dcmjs = require('dcmjs-dimse');
const { Client, Dataset } = dcmjs;
const { NCreateRequest, NSetRequest, NGetRequest } = dcmjs.requests;
const { SopClass } = dcmjs.constants;

dcmjs.log.level = 'error';

const [port, study, status] = process.argv.slice(2);
const MPPS = '1.2.840.10008.3.1.2.3.3';
const RETRIEVE = '1.2.840.10008.3.1.2.3.4';
const uid = Dataset.generateDerivedUid();
const seen = { create: null, set: null, again: null, get: null, uid };

function run(requests) {
  return new Promise((resolve, reject) => {
    const client = new Client();
    requests.forEach((r) => client.addRequest(r));
    client.on('networkError', reject);
    client.on('associationRejected', (r) => reject(new Error(`rejected: ${r}`)));
    client.on('closed', resolve);
    client.send('127.0.0.1', Number(port), 'DCMJS', 'FILEROOM', {});
  });
}

async function main() {
  const create = new NCreateRequest(MPPS, uid);
  create.setDataset(new Dataset({
    PatientName: 'Doe^Jane', PatientID: 'PAT1', Modality: 'CT',
    PerformedStationAETitle: 'DCMJS', PerformedProcedureStepID: 'PPS1',
    PerformedProcedureStepStartDate: '20260102', PerformedProcedureStepStartTime: '101112',
    PerformedProcedureStepStatus: 'IN PROGRESS',
    ScheduledStepAttributesSequence: [{ StudyInstanceUID: study, AccessionNumber: 'A1', ScheduledProcedureStepID: 'S1' }],
  }));
  create.on('response', (r) => { seen.create = r.getStatus(); });
  await run([create]);

  const set = new NSetRequest(MPPS, uid);
  set.setDataset(new Dataset({
    PerformedProcedureStepStatus: status,
    PerformedProcedureStepEndDate: '20260102', PerformedProcedureStepEndTime: '111213',
  }));
  set.on('response', (r) => { seen.set = r.getStatus(); });
  await run([set]);

  const again = new NSetRequest(MPPS, uid);
  again.setDataset(new Dataset({ PerformedProcedureStepStatus: 'COMPLETED' }));
  again.on('response', (r) => { seen.again = r.getStatus(); });
  await run([again]);

  const get = new NGetRequest(RETRIEVE, uid);
  get.on('response', (r) => {
    seen.get = r.getStatus();
    if (r.hasDataset()) {
      seen.status = r.getDataset().getElement('PerformedProcedureStepStatus');
    }
  });
  await run([get]);
  console.log(JSON.stringify(seen));
}

main().catch((e) => { console.error(e); process.exit(1); });
