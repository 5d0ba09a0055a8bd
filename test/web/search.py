"""The portal's lists: criteria, orders, pages, names and dates, and what limits
of visibility leave."""

import datetime
import io
import os
import sys
import tempfile
import warnings
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import sample
from harness.portal import Http, add_user, login, users
from harness.runner import equal, main, on_one_day


def days_ago(n):
    return (datetime.date.today() - datetime.timedelta(days=n)).strftime(
        "%Y%m%d")


# A number is that of the days before today.
STUDIES = (
    dict(study="1", patient="P1", name="Müller^Eva^Maria", date=0,
         modality="CT", InstitutionName="North", charset="ISO_IR 192",
         PatientSex="F", PatientBirthDate="19800229"),
    dict(study="2", patient="P1", name="Müller^Eva^Maria", date=1,
         modality="MR", InstitutionName="North", charset="ISO_IR 192",
         PatientSex="F", PatientBirthDate="19800229",
         sop_class=sample.MR),
    dict(study="3", patient="P2", name="Yamada^Tarou=山田^太郎", date=5,
         modality="CT", InstitutionName="South", charset="ISO_IR 192",
         ReferringPhysicianName="House^Greg", PatientSex="M"),
    dict(study="4", patient="無ID", name="O'Neil-Smith^Jo", date="20150607",
         modality="CT", InstitutionName="South", charset="ISO_IR 192",
         StudyDescription="Head, 100% <b>", PatientSex="M"),
    dict(study="5", patient="P5", name="Doe", date="", modality="US",
         sop_class=sample.SC, PatientSex="M"),
)


def archive():
    server = users()
    with tempfile.TemporaryDirectory() as folder:
        for fields in STUDIES:
            date = fields["date"]
            sample.study(os.path.join(folder, fields["study"]), count=2, **{
                **fields, "date": days_ago(date)
                if isinstance(date, int) else date})
        # One after the other: the order of their arrival is looked at.
        for fields in STUDIES:
            server.verb("import", os.path.join(folder, fields["study"]))
    return server


def found(web, query, what="studies"):
    got = web.get(f"/api/v1/{what}?{query}")
    assert got.status == 200, got
    return got.json[what]


def numbers(web, query):
    """The studies found, by the number in their accession."""
    return [s["accession"][3:] for s in found(web, query)]


@on_one_day
def t_rows():
    with archive() as server:
        web = login(server, "eva")
        row = found(web, "patient_id=P1&modality=CT")[0]
        equal((row["patient_name"], row["birth_date"], row["sex"]),
              ("Müller, Eva Maria", "1980-02-29", "F"))
        equal((row["date"], row["time"]), (str(datetime.date.today()), "10:11:12"))
        equal((row["modalities"], row["series"], row["instances"]),
              (["CT"], 1, 2))
        equal(row["referring"], "Refer, Rita")
        equal(web.get("/api/v1/studies/" + row["uid"]).json, row)
        (series,) = web.get(
            f"/api/v1/studies/{row['uid']}/series").json["series"]
        equal((series["modality"], series["instances"], series["number"]),
              ("CT", 2, "1"))
        equal(found(web, "patient_name=山田")[0]["patient_name"],
              "Yamada, Tarou (山田, 太郎)")
        equal(web.get("/api/v1/studies/1.2.3").status, 404)
        equal(web.get("/api/v1/studies/1.2.3/series").status, 404)


@on_one_day
def t_criteria():
    with archive() as server:
        web = login(server, "eva")
        for query, want in (
                ("", "12345"), ("mode=all", "12345"), ("mode=today", "1"),
                ("mode=yesterday", "2"), ("mode=last7", "123"),
                ("mode=date&from=2015-01-01&to=2015-12-31", "4"),
                ("mode=date&from=20150607&to=20150607", "4"),
                ("mode=date&to=2015-06-06", ""),
                # The range counts in its own mode alone (F103).
                ("from=2015-01-01&to=2015-12-31", "12345"),
                ("patient_name=muller", "12"), ("patient_name=MÜL", "12"),
                ("patient_name=maria", "12"), ("patient_name=mar+mü", "12"),
                ("patient_name=aria", ""), ("patient_name=*ARI*", "12"),
                ("patient_name=smith", "4"), ("patient_name=o", "4"),
                ("patient_name=taro", "3"), ("patient_name=太", "3"),
                # As lists show it.
                ("patient_name=M%C3%BCller,+Eva+Maria", "12"),
                ("patient_name=Yamada,+Tarou+(山田,+太郎)", "3"),
                ("patient_name=山田　太郎", "3"), ("patient_name=doe^", "5"),
                ("patient_id=P", "1235"), ("patient_id=%E7%84%A1", "4"),
                ("patient_id=P1", "12"), ("patient_id=?1", "12"),
                ("sex=F", "12"), ("sex=all", "12345"),
                ("birth_date=1980-02-29", "12"), ("accession=acc3", "3"),
                ("institution=nor", "12"), ("institution=*th", "1234"),
                ("referring=hou", "3"), ("referring=greg", "3"),
                ("modality=CT", "134"), ("modality=ALL", "12345"),
                ("modality=MR&patient_name=eva", "2"),
                ("modality=mr", "2"), ("modality=c*", "134"), ("sex=f", "12"),
                ("description=100%25+%3Cb", "4"), ("description=study", "1235"),
                ("patient_name=%25", ""), ("patient_name=_", ""),
                ("patient_name=%27%20OR%201=1--", "")):
            equal("".join(sorted(numbers(web, query))), want, query)


def t_letters_with_strokes():
    """Names with letters that a clerk's keyboard lacks."""
    with users() as server, tempfile.TemporaryDirectory() as folder:
        for n, name in enumerate(("Łoś^Łukasz", "Sørensen^Bjørn", "Işık^Iraz",
                                  "Đoković^Đorđe", "O’Neill^Ann")):
            sample.study(folder + f"/{n}", count=1, study=str(n), rows=8,
                         patient=f"P{n}", name=name, charset="ISO_IR 192",
                         ReferringPhysicianName=name)
        server.verb("import", folder)
        web = login(server, "eva")
        for typed, want in (
                ("lukasz", ["P0"]), ("Łukasz", ["P0"]), ("Los, Luk", ["P0"]),
                ("*ukas*", ["P0"]), ("SORENSEN", ["P1"]), ("sør", ["P1"]),
                ("isik", ["P2"]), ("IŞIK", ["P2"]), ("dokovic", ["P3"]),
                ("đok*", ["P3"]), ("o'neill", ["P4"]), ("neill", ["P4"])):
            for field in ("patient_name", "referring"):
                rows = found(web, f"{field}={quoted(typed)}")
                equal([r["patient_id"] for r in rows], want, (field, typed))


def t_wrong_criteria():
    with archive() as server:
        web = login(server, "eva")
        for query in ("mode=tomorrow", "mode=date&from=yesterday",
                      "mode=date&from=2015-02-30", "birth_date=20150631",
                      "from=2015-13-001", "sort=size", "limit=0", "limit=x",
                      "limit=201", "next=1", "next=x~~", "next=-1~~",
                      "colour=red", "patient_name=%ff", "sex=F&sex=M"):
            equal(web.get("/api/v1/studies?" + query).status, 400, query)


@on_one_day
def t_orders_and_pages():
    with archive() as server:
        web = login(server, "eva")
        orders = {"": "12345", "sort=-date": "12345", "sort=date": "54321",
                  "sort=name": "51243", "sort=-name": "34215",
                  "sort=received": "12345"}
        for sort, want in orders.items():
            for filters in ("", "&patient_name=*", "&sex=all"):
                equal("".join(numbers(web, sort + filters)), want, sort)
            for limit in (1, 2, 3):
                seen, after = "", ""
                for _ in range(7):
                    got = web.get(f"/api/v1/studies?{sort}&limit={limit}"
                                  f"&next={after}").json
                    assert len(got["studies"]) <= limit
                    seen += "".join(s["accession"][3:]
                                    for s in got["studies"])
                    after = quoted(got["next"])
                    if not after:
                        break
                equal(seen, want, (sort, limit))


def quoted(text):
    import urllib.parse
    return urllib.parse.quote(text)


@on_one_day
def t_patients():
    with archive() as server:
        web = login(server, "eva")

        def names(query):
            return [p["patient_id"] for p in found(web, query, "patients")]

        equal(names(""), ["P5", "P1", "無ID", "P2"])
        equal(names("sort=-name"), ["P2", "無ID", "P1", "P5"])
        equal(names("modality=CT"), ["P1", "無ID", "P2"])
        equal(names("institution=north&mode=last7"), ["P1"])
        equal(names("accession=ACC3"), ["P2"])
        got = web.get("/api/v1/patients/%E7%84%A1ID/studies").json["studies"]
        equal([s["accession"] for s in got], ["ACC4"])
        equal(web.get("/api/v1/patients/P1/studies?issuer=x").status, 404)
        equal(len(web.get("/api/v1/patients/P1/studies?issuer=")
                  .json["studies"]), 2)
        equal(web.get("/api/v1/patients/nobody/studies").status, 404)


def t_patients_without_id_and_with_issuer():
    """Nobody's studies stand below another's name."""
    with users() as server, tempfile.TemporaryDirectory() as folder:
        for n, fields in enumerate((
                dict(patient="", name="A^A"), dict(patient="", name="A^A"),
                dict(patient="", name="B^B"), dict(patient="", name=""),
                dict(patient="X", name="C^C"),
                dict(patient="..", name="E^E"), dict(patient=".", name="F^F"),
                dict(patient="-", name="G^G"),
                dict(patient="X", name="D^D", IssuerOfPatientID="H"))):
            sample.study(folder + f"/{n}", count=1, study=str(n), rows=8,
                         **fields)
        server.verb("import", folder)
        web = login(server, "eva")
        rows = found(web, "", "patients")
        seen = {}
        for p in rows:
            path = (f"/api/v1/patients/{p['patient_id']}/%s?issuer="
                    f"{p['issuer']}" if p["patient_id"].strip(".") else
                    f"/api/v1/patients/-/%s?key={p['key']}")
            name = p["patient_name"]
            seen[name] = web.get(path % "studies").json["studies"]
            equal({s["patient_name"] for s in seen[name]}, {name})
            equal({s["key"] for s in seen[name]}, {p["key"]})
            for s in seen[name]:
                equal(web.get("/api/v1/studies/" + s["uid"]).json, s)
            with zipfile.ZipFile(io.BytesIO(
                    web.get(path % "archive").body)) as z:
                equal(len(z.namelist()), len(seen[name]), name)
        equal({n: len(s) for n, s in seen.items()},
              {"A, A": 2, "B, B": 1, "": 1, "C, C": 1, "D, D": 1, "E, E": 1,
               "F, F": 1, "G, G": 1})
        # A key stands for those alone whose ID is in no address.
        key = [p["key"] for p in rows if p["issuer"]][0]
        equal(web.get(f"/api/v1/patients/-/studies?key={key}").status, 404)
        for key in ("", "0", "x", "-1", "9" * 30):
            equal(web.get(f"/api/v1/patients/-/studies?key={key}").status, 400)
        add_user(server, "none", "--only-institution", "Nowhere")
        none = login(server, "none")
        for p in rows:
            for what in ("studies", "archive"):
                equal(none.get(f"/api/v1/patients/-/{what}?key={p['key']}")
                      .status, 404)


def t_row_d6_limits():
    """Lists, studies, series, patients: what may not be seen is not there."""
    with archive() as server:
        all_of = {s["accession"][3:]: s["uid"]
                  for s in found(login(server, "root"), "")}
        for option, value, want in (
                ("--only-institution", "North", "12"),
                ("--only-institution", "*ou*", "34"),
                ("--only-referring", "House^*", "3"),
                ("--only-modality", "mr, US", "25"),
                ("--only-own", "yes", "")):
            name = "u" + option + value
            add_user(server, name, option, value)
            web = login(server, name)
            equal(web.get("/api/v1/session").json["limited"], True)
            equal("".join(sorted(numbers(web, ""))), want)
            equal("".join(sorted(numbers(web, "sort=name"))), want)
            equal("".join(sorted(numbers(web, "patient_name=*"))), want)
            for number, uid in all_of.items():
                status = 200 if number in want else 404
                for tail in ("", "/series"):
                    equal(web.get(f"/api/v1/studies/{uid}{tail}").status,
                          status, (option, number))
            patients = {p["patient_id"] for p in found(web, "", "patients")}
            equal(patients, {STUDIES[int(n) - 1]["patient"] for n in want})
            equal(web.get("/api/v1/patients/P1/studies").status,
                  200 if set("12") & set(want) else 404)


def t_rights():
    with archive() as server:
        add_user(server, "none", "--rights", "")
        web = login(server, "none")
        for path in ("studies", "patients", "patients/P1/studies"):
            equal(web.get("/api/v1/" + path).status, 403)
            equal(Http(server).get("/api/v1/" + path).status, 401)


@on_one_day
def t_series():
    """The series of studies that fit, in their order, within what is seen."""
    with archive() as server:
        web = login(server, "root")
        rows = found(web, "sort=date", "series")
        equal([s["study"]["accession"][3:] for s in rows],
              ["5", "4", "3", "2", "1"])
        equal(rows[-1]["instances"], 2)
        equal(rows[-1]["study"]["patient_name"], "Müller, Eva Maria")
        equal(len(found(web, "modality=MR", "series")), 1)
        equal(len(found(web, "patient_name=muller", "series")), 2)
        page = web.get("/api/v1/series?limit=2&sort=date").json
        equal([s["study"]["accession"][3:] for s in page["series"]],
              ["5", "4"])
        add_user(server, "ct", "--only-modality", "MR")
        equal(len(found(login(server, "ct"), "", "series")), 1)


def t_many_series_of_long_texts():
    """A page that would not fit into an answer is shorter."""
    long = "\x01" * 1000
    with users() as server, tempfile.TemporaryDirectory() as folder, \
            warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n in range(16):
            sample.study(f"{folder}/{n}", count=1, series=13, rows=2,
                         study=str(n), name=long, StudyDescription=long,
                         InstitutionName=long, SeriesDescription=long,
                         StudyID=long, ReferringPhysicianName=long,
                         AccessionNumber=long, patient=long + str(n))
        server.verb("import", folder)
        web, seen, after, size = login(server, "eva"), [], "", 0
        for _ in range(16):
            page = web.get("/api/v1/series?limit=200&next=" + after)
            equal(page.status, 200, page)
            seen += [s["uid"] for s in page.json["series"]]
            size += len(page.body)
            after = quoted(page.json["next"])
            if not after:
                break
        equal((len(seen), len(set(seen))), (208, 208))
        # What one answer can hold (LIMIT_HTTP_ANSWER).
        assert size > 8 << 20, size


if __name__ == "__main__":
    main(sys.modules[__name__])
