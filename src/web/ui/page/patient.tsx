// The studies of one patient (F106).
import { useEffect, useState } from 'preact/hooks';
import { ask, ofPatient, zip, type Patient, type Study } from '../api';
import { Alert, Back, Data, words } from '../part/parts';
import { named, StudyRows, type Sort } from '../part/rows';
import { may } from '../state';
import { day, sex, t } from '../text';

// key: of who cannot be asked for by the ID.
export function PatientPage({ id, issuer, key_ }: {
	id: string; issuer: string; key_: number;
}) {
	const patient: Patient = { patient_id: key_ ? '' : id, issuer, key: key_,
		patient_name: '', birth_date: '', sex: '' };
	const [studies, setStudies] = useState<Study[] | null>(null);
	const [error, say] = useState('');
	const [down, setDown] = useState(true);

	useEffect(() => {
		const stop = new AbortController();
		ask<{ studies: Study[] }>('GET', ofPatient(patient, 'studies'),
			undefined, stop.signal)
			.then(found => setStudies(found.studies))
			.catch(e => stop.signal.aborted || say(words(e)));
		return () => stop.abort();
	}, [id, issuer, key_]);

	const sign = down ? -1 : 1;
	const moment = (s: Study): string => `${s.date} ${s.time}`;
	const rows = [...studies ?? []].sort((a, b) =>
		moment(a) < moment(b) ? -sign : moment(a) > moment(b) ? sign : 0);
	const sort: Sort = { by: 'date', down, set: (_, d) => setDown(d) };
	const first = rows[0];
	return <main id="content" tabIndex={-1}>
		<Back />
		{!studies && !error && <p role="status">{t('loading')}</p>}
		<Alert text={error} />
		{first && <>
			<div class="bar">
				<div>
					<h1><Data>{named(first)}</Data></h1>
					<p class="hint"><Data>{[first.patient_id, issuer, sex(first.sex),
						day(first.birth_date)].filter(x => x).join(' · ')}</Data></p>
				</div>
				<div class="end">
					{may('download') && <a class="button primary" download=""
						href={zip.patient(patient)}>
						{t('zip_patient')}</a>}
				</div>
			</div>
			<section class="box over">
				<StudyRows rows={rows} sort={sort} patient={false} />
			</section>
		</>}
	</main>;
}
