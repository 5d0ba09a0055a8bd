"""A stream of orders for the crash tests: connections that pipeline them until
the server dies, and a ledger of what was acknowledged."""

import threading

from harness.mllp import Mllp, code, fields, frame, order

WINDOW = 20  # sent and not yet answered, on a connection
MERGE_EACH = 50


def merge(control, prior, stays):
    return "\r".join([
        f"MSH|^~\\&|HIS|CLINIC|FILEROOM|RAD|20260101120000||ADT^A40|{control}"
        f"|P|2.5", f"PID|||{stays}||DOE^JANE", f"MRG|{prior}", ""]).encode()


class Load:
    """sent: accession number to message; acknowledged: those whose AA was
    read; merged: prior to surviving patient, of the merges with an AA."""

    def __init__(self, port, connections=3):
        self.port, self.connections = port, connections
        self.lock = threading.Lock()
        self.next = 0
        self.sent, self.acknowledged = {}, set()
        self.merges, self.merged = {}, {}
        self.unexpected = []
        self.threads = []

    def start(self, port, count=None):
        self.port = port
        self.count = count
        self.threads = [threading.Thread(target=self._run)
                        for _ in range(self.connections)]
        for t in self.threads:
            t.start()

    def join(self):
        for t in self.threads:
            t.join()

    def _take(self):
        with self.lock:
            if self.count is not None and self.next >= self.count:
                return None
            n = self.next
            self.next += 1
            if n % MERGE_EACH == MERGE_EACH - 1:
                control = f"m{n}"
                pair = (f"P{n - 7}", f"P{n - 8}")
                self.merges[control] = pair
                return merge(control, *pair)
            message = order(f"o{n}", placer=f"A{n}", patient=f"P{n}")
            self.sent[f"A{n}"] = message
            return message

    def _note(self, answer):
        control = fields(answer, "MSA")[2]
        with self.lock:
            if code(answer) != "AA":
                self.unexpected.append(answer)
            elif control in self.merges:
                prior, stays = self.merges[control]
                self.merged[prior] = stays
            else:
                self.acknowledged.add("A" + control[1:])

    def _run(self):
        try:
            with Mllp(self.port) as c:
                waiting, more = 0, True
                while more or waiting:
                    while more and waiting < WINDOW:
                        message = self._take()
                        more = message is not None
                        if more:
                            c.send(frame(message))
                            waiting += 1
                    answer = c.receive() if waiting else None
                    if answer is None:
                        return
                    self._note(answer)
                    waiting -= 1
        except (OSError, AssertionError):
            pass  # the server was killed: what this test is about

    def again(self, port):
        """What has no answer yet, once more and one after the other."""
        with Mllp(port) as c:
            for number in sorted(set(self.sent) - self.acknowledged):
                self._note(c.ask(self.sent[number]))
            for control, (prior, stays) in sorted(self.merges.items()):
                if self.merged.get(prior) != stays:
                    self._note(c.ask(merge(control, prior, stays)))
