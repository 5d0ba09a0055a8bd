// Search and results: one list, with the level as a switch (F102, F105-F107).
// What is searched for stands in the address, so that reload and back work.
import { useState } from 'preact/hooks';
import { query, type FoundSeries, type Patient, type Study } from '../api';
import { More, usePages } from '../part/pages';
import { Alert, Field } from '../part/parts';
import { PatientRows, SeriesRows, StudyRows, type Sort } from '../part/rows';
import { go, place } from '../route';
import { t, type Key } from '../text';

const levels = ['patients', 'studies', 'series'] as const;
export type Level = typeof levels[number];

export function levelOf(name: string): Level | null {
	return levels.find(l => l === name) ?? null;
}

const criteria = ['mode', 'patient_name', 'patient_id', 'sex', 'birth_date',
	'from', 'to', 'accession', 'institution', 'referring', 'modality',
	'description'] as const;
type Criterion = typeof criteria[number];
type Values = { [c in Criterion]: string };

const modes = ['all', 'today', 'yesterday', 'last7', 'date'] as const;
const fewer: Criterion[] = ['mode', 'from', 'to', 'patient_name', 'patient_id',
	'modality'];
// Offered; any other can be typed.
const modalities = ['CR', 'CT', 'DX', 'ECG', 'ES', 'IO', 'MG', 'MR', 'NM', 'OT',
	'PT', 'PX', 'RF', 'RTPLAN', 'SC', 'SM', 'SR', 'US', 'XA'];
const PAGE = 100;

function valuesOf(from: URLSearchParams): Values {
	const values = {} as Values;
	for (const c of criteria)
		values[c] = from.get(c) ?? '';
	return values;
}

function Criteria({ level, given }: { level: Level; given: Values }) {
	const [values, setValues] = useState(given);
	const [all, setAll] = useState(
		criteria.some(c => given[c] !== '' && !fewer.includes(c)));
	const sort = place.value.query.get('sort') ?? '';

	const search = (now: Values): void => {
		const used = { ...now } as { [name: string]: string };
		if (now.mode !== 'date')
			used.from = used.to = '';
		if (now.mode === 'all')
			used.mode = '';
		go(`/${level}${query({ ...used, sort })}`);
	};
	const set = (c: Criterion, value: string, at_once = false): void => {
		const now = { ...values, [c]: value };
		setValues(now);
		if (at_once)
			search(now);
	};
	const text = (c: Criterion, label: Key, type: 'text' | 'date' = 'text', hint?: Key) =>
		<Field label={t(label)}>
			<input type={type} name={c} value={values[c]} maxLength={256}
				autocomplete="off" spellcheck={false}
				dir={type === 'text' ? 'auto' : undefined}
				title={hint && t(hint)}
				list={c === 'modality' ? 'modalities' : undefined}
				onInput={e => set(c, e.currentTarget.value)} />
		</Field>;

	return <form class="box" role="search" aria-label={t('search')}
		onSubmit={e => {
			e.preventDefault();
			search(values);
		}}>
		<div class="criteria">
			<Field label={t('mode')}>
				<select name="mode" value={values.mode || 'all'} onChange={e =>
					set('mode', e.currentTarget.value,
						e.currentTarget.value !== 'date')}>
					{modes.map(m => <option value={m}>{t(`mode_${m}`)}</option>)}
				</select>
			</Field>
			{values.mode === 'date' && <>
				{text('from', 'from', 'date')}
				{text('to', 'to', 'date')}
			</>}
			{text('patient_name', 'patient_name', 'text', 'name_hint')}
			{text('patient_id', 'patient_id')}
			{text('modality', 'modality')}
			<datalist id="modalities">
				{modalities.map(m => <option value={m} />)}
			</datalist>
			{all && <>
				<Field label={t('sex')}>
					<select name="sex" value={values.sex} onChange={e =>
						set('sex', e.currentTarget.value, true)}>
						<option value="">{t('sex_all')}</option>
						{(['M', 'F', 'O'] as const).map(s =>
							<option value={s}>{t(`sex_${s}`)}</option>)}
					</select>
				</Field>
				{text('birth_date', 'birth_date', 'date')}
				{text('accession', 'accession')}
				{text('description', 'description')}
				{text('institution', 'institution')}
				{text('referring', 'referring', 'text', 'name_hint')}
			</>}
			<div class="do">
				<button class="primary">{t('do_search')}</button>
				<button type="button" class="plain" aria-expanded={all}
					onClick={() => setAll(!all)}>
					{t(all ? 'fewer_criteria' : 'more_criteria')}
				</button>
				{criteria.some(c => values[c] !== '') &&
					<button type="button" class="plain" onClick={() => {
						setValues(valuesOf(new URLSearchParams()));
						go(`/${level}`);
					}}>{t('clear')}</button>}
			</div>
		</div>
	</form>;
}

interface Found {
	patients?: Patient[];
	studies?: Study[];
	series?: FoundSeries[];
	next: string;
}

// Series of a study by their numbers; studies stay where they are.
function ordered(series: FoundSeries[]): FoundSeries[] {
	const at = new Map<string, number>();
	for (const s of series)
		if (!at.has(s.study.uid))
			at.set(s.study.uid, at.size);
	return series.sort((a, b) => at.get(a.study.uid)! - at.get(b.study.uid)! ||
		Number(a.number) - Number(b.number));
}

export function Results({ level }: { level: Level }) {
	const { query: given, text } = place.value;
	const values = valuesOf(given);
	const sort = given.get('sort') || (level === 'patients' ? 'name' : '-date');
	const list = usePages<Found, Patient | Study | FoundSeries>(`/${level}` +
		query({ ...values, sort, limit: String(PAGE) }), found => level === 'series' ?
			ordered(found.series ?? []) : found[level]);
	const order: Sort = {
		by: sort.replace(/^-/, ''), down: sort.startsWith('-'),
		set: (by, down) => go(`/${level}` + query({ ...values,
			sort: (down ? '-' : '') + by })),
	};
	const n = list.rows.length;
	const to = (l: Level): string => `#/${l}` + query(values);
	const at = list.of.startsWith(`/${level}?`);

	return <main id="content" tabIndex={-1}>
		<h1 class="unseen">{t('search')}</h1>
		<div class="bar">
			<nav class="levels" aria-label={t('level')}>
				{levels.map(l =>
					<a href={to(l)} aria-current={l === level ? 'true' : undefined}>
						{t(l)}</a>)}
			</nav>
			<p class="status" role="status">
				{list.busy ? t('loading') : list.error ? '' : list.more ?
					t('shown_more', { n }) : t('shown', { n })}
			</p>
		</div>
		<Criteria key={level + text} level={level} given={values} />
		<Alert text={list.error} />
		<div class={list.busy ? 'box over busy' : 'box over'}
			aria-busy={list.busy}>
			{n === 0 && !list.busy && !list.error && <div class="empty">
				<strong>{t('nothing_found')}</strong>
				<span>{t('nothing_hint')}</span>
			</div>}
			{n > 0 && at && (level === 'patients' ?
				<PatientRows rows={list.rows as Patient[]} sort={order} /> :
				level === 'studies' ?
				<StudyRows rows={list.rows as Study[]} sort={order} /> :
				<SeriesRows rows={list.rows as FoundSeries[]} sort={order} />)}
			<More list={list} />
		</div>
	</main>;
}
