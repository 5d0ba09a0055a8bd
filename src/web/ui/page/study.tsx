// A study: its facts, its reports, its series (F108), its link.
import { useEffect, useState } from 'preact/hooks';
import { ask, part, zip, type Series, type Study } from '../api';
import { Alert, Back, Data, words } from '../part/parts';
import { Cell, Check, CheckAll, Head, named, patientAddress, SeriesActs,
	SeriesBasket, Text, useChosen, walk } from '../part/rows';
import { Reports } from '../part/reports';
import { Share } from '../part/share';
import { may } from '../state';
import { day, number, sex, t, time, type Key } from '../text';

function SeriesRows({ rows }: { rows: Series[] }) {
	const zips = may('download');
	const { chosen, one, every } = useChosen(rows.map(s => s.uid));
	return <>
		<div class="scroll"><table role="table" class="cards"
			aria-label={t('series_of_study')}>
			<thead role="rowgroup"><tr role="row">
				{zips && <CheckAll on={chosen.size === rows.length}
					some={chosen.size > 0} set={every} />}
				<Head label="number" count />
				<Head label="description" />
				<Head label="modality" />
				<Head label="study_date" />
				<Head label="study_time" />
				<Head label="body_part" />
				<Head label="station" />
				<Head label="images" count />
				<th scope="col"><span class="unseen">{t('actions')}</span></th>
			</tr></thead>
			<tbody role="rowgroup" onKeyDown={walk}>{rows.map((s, i) => {
				const on = chosen.has(s.uid);
				const name = t('series_n', { n: s.number || number(i + 1) }) +
					(s.description ? `: ${s.description}` : '');
				return <tr role="row" key={s.uid} aria-selected={on}>
					{zips && <Check name={name} on={on} set={v => one(s.uid, v)} />}
					<Cell kind="n count">{s.number || number(i + 1)}</Cell>
					<Cell kind="title"><Data>{s.description ||
						t('series_n', { n: s.number })}</Data></Cell>
					<Cell label="modality">{s.modality &&
						<span class="tag">{s.modality}</span>}</Cell>
					<Text label="study_date" kind="date" value={day(s.date)} />
					<Text label="study_time" kind="date" value={time(s.time)} />
					<Text label="body_part" kind="id" value={s.body_part} />
					<Text label="station" kind="id" value={s.station} />
					<Cell label="images" kind="count">{number(s.instances)}</Cell>
					<SeriesActs uid={s.uid} name={name} />
				</tr>;
			})}</tbody>
		</table></div>
		<SeriesBasket rows={rows} chosen={chosen} clear={() => every(false)} />
	</>;
}

function Facts({ study }: { study: Study }) {
	const facts: Array<[Key, string]> = [
		['patient_id', study.patient_id],
		['issuer', study.issuer],
		['sex', sex(study.sex)],
		['birth_date', day(study.birth_date)],
		['study_date', [day(study.date), time(study.time)].join(' ').trim()],
		['modalities', study.modalities.join(', ')],
		['accession', study.accession],
		['study_id', study.study_id],
		['referring', study.referring],
		['institution', study.institution],
		['series_count', number(study.series)],
		['images', number(study.instances)],
	];
	return <dl class="facts">
		{facts.filter(([, value]) => value !== '').map(([label, value]) =>
			<div><dt>{t(label)}</dt><dd><Data>{value}</Data></dd></div>)}
		<div class="long"><dt>{t('study_uid')}</dt>
			<dd dir="ltr"><small>{study.uid}</small></dd></div>
	</dl>;
}

export function StudyPage({ uid }: { uid: string }) {
	const [study, setStudy] = useState<Study | null>(null);
	const [series, setSeries] = useState<Series[] | null>(null);
	const [error, say] = useState('');
	const [shared, share] = useState(false);

	useEffect(() => {
		const stop = new AbortController();
		const path = `/studies/${part(uid)}`;
		Promise.all([
			ask<Study>('GET', path, undefined, stop.signal),
			ask<{ series: Series[] }>('GET', `${path}/series`, undefined,
				stop.signal),
		]).then(([one, two]) => {
			setStudy(one);
			setSeries(two.series.sort((a, b) =>
				Number(a.number) - Number(b.number)));
		}).catch(e => stop.signal.aborted || say(words(e)));
		return () => stop.abort();
	}, [uid]);

	return <main id="content" tabIndex={-1}>
		<Back />
		{!study && !error && <p role="status">{t('loading')}</p>}
		<Alert text={error} />
		{study && <>
			<div class="bar">
				<div>
					<h1><Data>{named(study)}</Data></h1>
					<p class="hint"><Data>{study.description || t('study')}</Data>
						{study.date && <>{' · '}{day(study.date)}</>}</p>
				</div>
				<div class="end">
					{may('download') && <a class="button primary" download=""
						href={zip.study(study.uid)}>{t('download_study')}</a>}
					{may('share') && <button type="button"
						onClick={() => share(true)}>{t('patient_link')}</button>}
					<a class="button" href={patientAddress(study)}>
						{t('open_studies')}</a>
				</div>
			</div>
			<section class="box"><Facts study={study} /></section>
			<Reports study={study.uid} />
			<section class="box over" aria-label={t('series_of_study')}>
				{series && series.length > 0 && <SeriesRows rows={series} />}
			</section>
			{shared && <Share study={study} onClose={() => share(false)} />}
		</>}
	</main>;
}
