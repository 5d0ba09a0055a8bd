// An HL7 server of npm (simple-hl7) for what Fileroom sends: prints its port,
// then a line of JSON for each message; patient P2 is refused.
"use strict";

const hl7 = require("simple-hl7");

const app = hl7.tcp();

app.use((req, res, next) => {
  const patient = req.msg.getSegment("PID").getField(3);
  console.log(JSON.stringify({
    type: req.type,
    event: req.event,
    sender: req.sender,
    facility: req.facility,
    control: req.msg.header.getField(8),
    patient,
    name: req.msg.getSegment("PID").getField(5),
    modality: req.msg.getSegment("OBR").getField(18),
  }));
  if (patient === "P2") {
    res.ack.getSegment("MSA").setField(1, "AE");
    res.ack.getSegment("MSA").addField("P2 is not wanted");
  }
  res.end();
});

const { server } = app.start(0);
server.on("listening", () => console.log(server.address().port));
