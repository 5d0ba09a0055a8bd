// Tables of patients and studies, with what can be done with each row and with
// those that are selected. On a phone a row becomes a card (app.css).
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { ask, byKey, ofPatient, part, query, zip, type FoundSeries, type Patient,
	type Study } from '../api';
import { may } from '../state';
import { day, number, sex, t, time, type Key } from '../text';
import { Data, tell, words } from './parts';
import { Share } from './share';

// One zip file's worth: what an address can carry.
export const AT_ONCE = 300;

export interface Sort {
	by: string;
	down: boolean;
	set: (by: string, down: boolean) => void;
}

export function Head({ label, by, sort, count }: {
	label: Key; by?: string; sort?: Sort | undefined; count?: boolean;
}) {
	const kind = count ? 'count' : undefined;
	if (!by || !sort)
		return <th scope="col" class={kind}>{t(label)}</th>;
	const here = sort.by === by;
	// Dates begin with the newest, text with A.
	const down = here ? !sort.down : by === 'date' || by === 'received';
	return <th scope="col" class={kind}
		aria-sort={here ? sort.down ? 'descending' : 'ascending' : undefined}>
		<button type="button" title={t('sort_by', { column: t(label) })}
			onClick={() => sort.set(by, down)}>
			{t(label)}
			<span class="arrow" aria-hidden="true">
				{(here ? sort.down : down) ? '↓' : '↑'}</span>
		</button>
	</th>;
}

export function Cell({ label, kind, title, children }: {
	label?: Key; kind?: string; title?: string; children?: ComponentChildren;
}) {
	const none = children === '' || children === undefined ||
		children === null;
	return <td role="cell" title={title} class={[kind, none && 'none'].filter(c => c).join(' ') ||
		undefined}>
		{label && !none && <span class="card-label" aria-hidden="true">
			{t(label)}</span>}
		{children}
	</td>;
}

export function Text({ label, value, kind }: {
	label: Key; value: string; kind?: string;
}) {
	return value === '' ? <td role="cell" class={`none ${kind ?? ''}`} /> :
		<Cell label={label} {...(kind ? { kind } : {})}
			{...(kind === 'long' || kind === 'id' ? { title: value } : {})}>
			<Data>{value}</Data></Cell>;
}

export function Check({ name, on, set }: {
	name: string; on: boolean; set: (on: boolean) => void;
}) {
	return <td role="cell" class="check"><label>
		<input type="checkbox" checked={on}
			aria-label={t('select_row', { name })}
			onChange={e => set(e.currentTarget.checked)} />
	</label></td>;
}

export function CheckAll({ on, some, set }: {
	on: boolean; some: boolean; set: (on: boolean) => void;
}) {
	return <th scope="col" class="check"><label>
		<input type="checkbox" checked={on} aria-label={t('select_all')}
			ref={e => { if (e) e.indeterminate = some && !on; }}
			onChange={e => set(e.currentTarget.checked)} />
	</label></th>;
}

// What is selected of the rows that there are.
export function useChosen(keys: string[]) {
	const [chosen, choose] = useState<ReadonlySet<string>>(new Set());
	const all = keys.join('\n');
	useEffect(() => {
		const there = new Set(keys);
		choose(now => [...now].every(k => there.has(k)) ? now :
			new Set([...now].filter(k => there.has(k))));
	}, [all]);
	return {
		chosen,
		one: (key: string, on: boolean): void => choose(now => {
			const then = new Set(now);
			if (on)
				then.add(key);
			else
				then.delete(key);
			return then;
		}),
		every: (on: boolean): void => choose(new Set(on ? keys : [])),
	};
}

export function fetchFile(address: string): void {
	const a = document.createElement('a');
	a.href = address;
	a.download = '';
	document.body.append(a);
	a.click();
	a.remove();
}

export function Basket({ n, clear, download }: {
	n: number; clear: () => void; download: () => void | Promise<void>;
}) {
	if (n === 0)
		return null;
	return <div class="basket" role="region" aria-label={t('n_selected', { n })}>
		<strong>{t('n_selected', { n })}</strong>
		<button type="button" class="primary" onClick={() => {
			if (n > AT_ONCE)
				tell(t('too_many', { n: AT_ONCE }));
			else
				void Promise.resolve(download()).catch(e => tell(words(e)));
		}}>{t('zip_selection')}</button>
		<button type="button" class="plain" onClick={clear}>
			{t('clear_selection')}</button>
	</div>;
}

// Up and down go from row to row.
export function walk(e: KeyboardEvent): void {
	const step = e.key === 'ArrowDown' ? 1 : e.key === 'ArrowUp' ? -1 : 0;
	const row = (e.target as Element).closest?.('tr');
	if (step === 0 || !row || e.altKey || e.ctrlKey || e.metaKey)
		return;
	const rows = [...row.parentElement!.children];
	const to = rows[rows.indexOf(row) + step];
	const same = [...row.querySelectorAll('a, input, button')]
		.indexOf(e.target as Element);
	const there = to?.querySelectorAll<HTMLElement>('a, input, button');
	if (there?.length) {
		e.preventDefault();
		(there[same] ?? there[0])!.focus();
	}
}

export const named = (p: Patient): string =>
	p.patient_name || p.patient_id || t('no_name');

const keyOf = (p: Patient): string => String(p.key);

export const patientAddress = (p: Patient): string => byKey(p) ?
	`#/patient/-?key=${p.key}` :
	`#/patient/${part(p.patient_id)}${query({ issuer: p.issuer })}`;

export function PatientRows({ rows, sort }: { rows: Patient[]; sort?: Sort }) {
	const zips = may('download');
	const { chosen, one, every } = useChosen(rows.map(keyOf));
	const download = async (): Promise<void> => {
		const uids: string[] = [];
		for (const p of rows.filter(r => chosen.has(keyOf(r)))) {
			const found = await ask<{ studies: Study[] }>('GET',
				ofPatient(p, 'studies'));
			uids.push(...found.studies.map(s => s.uid));
		}
		if (uids.length > AT_ONCE)
			tell(t('too_many', { n: AT_ONCE }));
		else
			fetchFile(zip.many(uids, []));
	};
	return <>
		<div class="scroll"><table role="table" class="cards" aria-label={t('patients')}>
			<thead role="rowgroup"><tr role="row">
				{zips && <CheckAll on={chosen.size === rows.length}
					some={chosen.size > 0} set={every} />}
				<Head label="number" count />
				<Head label="patient_name" by="name" sort={sort} />
				<Head label="patient_id" by="id" sort={sort} />
				<Head label="issuer" />
				<Head label="sex" />
				<Head label="birth_date" />
				<th scope="col"><span class="unseen">{t('actions')}</span></th>
			</tr></thead>
			<tbody role="rowgroup" onKeyDown={walk}>{rows.map((p, i) => {
				const on = chosen.has(keyOf(p));
				return <tr role="row" key={keyOf(p)} aria-selected={on}>
					{zips && <Check name={named(p)} on={on}
						set={v => one(keyOf(p), v)} />}
					<Cell kind="n count">{number(i + 1)}</Cell>
					<Cell kind="title" title={named(p)}><a class="name" href={patientAddress(p)}>
						<Data>{named(p)}</Data></a></Cell>
					<Text label="patient_id" kind="id" value={p.patient_id} />
					<Text label="issuer" kind="id" value={p.issuer} />
					<Text label="sex" value={sex(p.sex)} />
					<Text label="birth_date" kind="date" value={day(p.birth_date)} />
					<td role="cell" class="act"><div class="acts">
						{zips && <a class="button" href={zip.patient(p)} download=""
							aria-label={t('zip_of', { name: named(p) })}>{t('zip')}</a>}
						<a class="button" href={patientAddress(p)}
							aria-label={t('open_studies_of', { name: named(p) })}>
							{t('open_studies')}</a>
					</div></td>
				</tr>;
			})}</tbody>
		</table></div>
		<Basket n={chosen.size} clear={() => every(false)} download={download} />
	</>;
}

export const studyAddress = (s: Study): string => `#/study/${part(s.uid)}`;

// patient: whether its columns are shown.
export function StudyRows({ rows, sort, patient = true }: {
	rows: Study[]; sort?: Sort; patient?: boolean;
}) {
	const zips = may('download');
	const links = may('share');
	const [shared, share] = useState<Study | null>(null);
	const { chosen, one, every } = useChosen(rows.map(s => s.uid));
	return <>
		<div class="scroll"><table role="table" class="cards" aria-label={t('studies')}>
			<thead role="rowgroup"><tr role="row">
				{zips && <CheckAll on={chosen.size === rows.length}
					some={chosen.size > 0} set={every} />}
				<Head label="number" count />
				{patient && <>
					<Head label="patient_name" by="name" sort={sort} />
					<Head label="patient_id" by="id" sort={sort} />
					<Head label="sex" />
					<Head label="birth_date" />
				</>}
				<Head label="study_date" by="date" sort={sort} />
				<Head label="description" />
				<Head label="modalities" />
				<Head label="accession" />
				<Head label="series_count" count />
				<Head label="images" count />
				<th scope="col"><span class="unseen">{t('actions')}</span></th>
			</tr></thead>
			<tbody role="rowgroup" onKeyDown={walk}>{rows.map((s, i) => {
				const on = chosen.has(s.uid);
				const name = patient ? named(s) :
					s.description || day(s.date) || s.uid;
				return <tr role="row" key={s.uid} aria-selected={on}>
					{zips && <Check name={name} on={on} set={v => one(s.uid, v)} />}
					<Cell kind="n count">{number(i + 1)}</Cell>
					{patient && <>
						<Cell kind="title" title={named(s)}><a class="name" href={studyAddress(s)}>
							<Data>{named(s)}</Data></a></Cell>
						<Text label="patient_id" kind="id" value={s.patient_id} />
						<Text label="sex" value={sex(s.sex)} />
						<Text label="birth_date" kind="date" value={day(s.birth_date)} />
					</>}
					<Text label="study_date" kind="date"
						value={[day(s.date), time(s.time)].filter(x => x).join(' ')} />
					{patient ? <Text label="description" kind="long" value={s.description} /> :
						<Cell kind="title" title={s.description}><a class="name" href={studyAddress(s)}>
							<Data>{s.description || t('study')}</Data></a></Cell>}
					<Cell label="modalities">{s.modalities.length > 0 &&
						s.modalities.map(m => <span class="tag">{m}</span>)}</Cell>
					<Text label="accession" kind="id" value={s.accession} />
					<Cell label="series_count" kind="count">{number(s.series)}</Cell>
					<Cell label="images" kind="count">{number(s.instances)}</Cell>
					<td role="cell" class="act"><div class="acts">
						{zips && <a class="button" href={zip.study(s.uid)} download=""
							aria-label={t('zip_of', { name })}>{t('zip')}</a>}
						{links && <button type="button"
							aria-label={t('link_of', { name })}
							onClick={() => share(s)}>{t('link')}</button>}
						<a class="button" href={studyAddress(s)}
							aria-label={t('open_series_of', { name })}>
							{t('open_series')}</a>
					</div></td>
				</tr>;
			})}</tbody>
		</table></div>
		<Basket n={chosen.size} clear={() => every(false)} download={() =>
			fetchFile(zip.many(rows.filter(s => chosen.has(s.uid))
				.map(s => s.uid), []))} />
		{shared && <Share study={shared} onClose={() => share(null)} />}
	</>;
}

// What can be done with a series, and with those chosen.
export function SeriesActs({ uid, name }: { uid: string; name: string }) {
	return <td role="cell" class="act"><div class="acts">
		{may('download') && <a class="button" href={zip.series(uid)} download=""
			aria-label={t('zip_of', { name })}>{t('zip')}</a>}
	</div></td>;
}

export function SeriesBasket({ rows, chosen, clear }: {
	rows: { uid: string }[];
	chosen: ReadonlySet<string>;
	clear: () => void;
}) {
	return <Basket n={chosen.size} clear={clear} download={() =>
		fetchFile(zip.many([], rows.filter(s => chosen.has(s.uid))
			.map(s => s.uid)))} />;
}

// Series of any study (F108).
export function SeriesRows({ rows, sort }: { rows: FoundSeries[]; sort?: Sort }) {
	const zips = may('download');
	const { chosen, one, every } = useChosen(rows.map(s => s.uid));
	return <>
		<div class="scroll"><table role="table" class="cards" aria-label={t('series')}>
			<thead role="rowgroup"><tr role="row">
				{zips && <CheckAll on={chosen.size === rows.length}
					some={chosen.size > 0} set={every} />}
				<Head label="number" count />
				<Head label="patient_name" by="name" sort={sort} />
				<Head label="patient_id" by="id" sort={sort} />
				<Head label="modality" />
				<Head label="series_date" by="date" sort={sort} />
				<Head label="study_time" />
				<Head label="series_description" />
				<Head label="study_description" />
				<Head label="images" count />
				<th scope="col"><span class="unseen">{t('actions')}</span></th>
			</tr></thead>
			<tbody role="rowgroup" onKeyDown={walk}>{rows.map((s, i) => {
				const on = chosen.has(s.uid);
				const name = `${named(s.study)}, ${s.description ||
					t('series_n', { n: s.number })}`;
				return <tr role="row" key={s.uid} aria-selected={on}>
					{zips && <Check name={name} on={on} set={v => one(s.uid, v)} />}
					<Cell kind="n count">{number(i + 1)}</Cell>
					<Cell kind="title" title={named(s.study)}>
						<a class="name" href={studyAddress(s.study)}>
							<Data>{named(s.study)}</Data></a></Cell>
					<Text label="patient_id" kind="id" value={s.study.patient_id} />
					<Cell label="modality">{s.modality &&
						<span class="tag">{s.modality}</span>}</Cell>
					<Text label="series_date" kind="date"
						value={day(s.date || s.study.date)} />
					<Text label="study_time" kind="date" value={time(s.time)} />
					<Text label="series_description" kind="long"
						value={s.description} />
					<Text label="study_description" kind="long"
						value={s.study.description} />
					<Cell label="images" kind="count">{number(s.instances)}</Cell>
					<SeriesActs uid={s.uid} name={name} />
				</tr>;
			})}</tbody>
		</table></div>
		<SeriesBasket rows={rows} chosen={chosen} clear={() => every(false)} />
	</>;
}
