// dcmjs-dimse as a scanner that asks for its worklist. Prints one JSON line:
// of each answer the patient's ID and name, and the step's modality.
//   node worklist.js PORT DATE
'use strict';

const dcmjs = require('dcmjs-dimse');
const { Client } = dcmjs;
const { CFindRequest } = dcmjs.requests;
const { Status } = dcmjs.constants;

dcmjs.log.level = 'error';

const [port, date] = process.argv.slice(2);
const seen = { answers: [], end: null };

const find = CFindRequest.createWorklistFindRequest({
  PatientID: '',
  PatientName: '',
  ScheduledProcedureStepSequence: [{ Modality: '', ScheduledProcedureStepStartDate: date }],
});
find.on('response', (r) => {
  if (r.getStatus() === Status.Pending && r.hasDataset()) {
    const d = r.getDataset();
    const step = d.getElement('ScheduledProcedureStepSequence');
    seen.answers.push([d.getElement('PatientID'), JSON.stringify(d.getElement('PatientName')),
      (Array.isArray(step) ? step[0] : step).Modality]);
  } else {
    seen.end = r.getStatus();
  }
});

const client = new Client();
client.addRequest(find);
client.on('networkError', (e) => { console.error(e); process.exit(1); });
client.on('associationRejected', (r) => { console.error(r); process.exit(1); });
client.on('closed', () => console.log(JSON.stringify(seen)));
client.send('127.0.0.1', Number(port), 'DCMJS', 'FILEROOM', {});
