// Uploading (F104): files and folders, chosen or dropped, with what became of
// each. What is sent and how is in send.ts.
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { outcomes, part, type Outcome, type UploadAnswer } from '../api';
import { Data, tell, words } from '../part/parts';
import { Cell, Head } from '../part/rows';
import { add, again, busy, clear, counts, dropped, halted, items, MOST, stop,
	type Item } from '../send';
import { may } from '../state';
import { number, size, t } from '../text';

// Rows that a page bears; of more those are shown that matter.
const SHOWN = 200;
// Reasons that are told of one file.
const REASONS = 5;

function take(files: Array<{ file: File; name: string }>): void {
	const left = add(files);
	if (left > 0)
		tell(t('upload_most', { n: MOST }));
}

// What became of a file, or of what is in a zip: in words, by their numbers.
function told(answer: UploadAnswer): string {
	const there = outcomes.filter(o => answer[o] > 0);
	const one = there.length === 1 && answer[there[0]!] === 1;
	if (one)
		return t(`outcome_${there[0]!}`);
	return there.map(o => `${t(`outcome_${o}`)}: ${number(answer[o])}`)
		.join(', ');
}

function reasons(answer: UploadAnswer): string[] {
	const all: string[] = [];
	for (const f of answer.files) {
		const name = f.name === '' ? '' : `${f.name}: `;
		if (f.message && f.outcome === 'refused')
			all.push(name + f.message);
		if (f.outcome === 'orders')
			all.push(t('orders_taken', { n: f.taken ?? 0 }) +
				(f.refused ? `, ${t('orders_refused', { n: f.refused })}` : ''));
		all.push(...f.reasons ?? []);
	}
	return all.length > REASONS ?
		[...all.slice(0, REASONS), t('and_more', { n: all.length - REASONS })] :
		all;
}

function kind(answer: UploadAnswer): string {
	if (answer.refused > 0 || answer.quarantined > 0 ||
		answer.files.some(f => f.refused))
		return 'bad';
	return answer.stored + answer.replaced + answer.orders > 0 ? 'good' : 'off';
}

function Became({ item }: { item: Item }) {
	const at = item.at.value;
	switch (at.is) {
	case 'sending':
		return item.sent.value < item.file.size ?
			<progress max={item.file.size} value={item.sent.value}
				aria-label={t('progress_of', { name: item.name })} /> :
			<span class="tag off">{t('upload_checking')}</span>;
	case 'waiting':
		return <span class="tag off">{t('upload_waiting')}</span>;
	case 'stopped':
		return <span class="tag bad">{t('upload_stopped')}</span>;
	case 'broken':
		return <><span class="tag bad">{t('upload_broken')}</span>
			{' '}{at.trouble.code === 'unreadable' ? t('upload_unreadable') :
				words(at.trouble)}</>;
	case 'done':
		return <><span class={`tag ${kind(at.answer)}`}>{told(at.answer)}</span>
			{reasons(at.answer).map(r => <div class="hint"><Data>{r}</Data></div>)}
		</>;
	}
}

function Row({ item }: { item: Item }) {
	const at = item.at.value;
	const study = at.is === 'done' ?
		at.answer.files.find(f => f.study)?.study : undefined;
	return <tr role="row">
		<Cell kind="title" title={item.name}><Data>{item.name}</Data></Cell>
		<Cell label="file_size" kind="count">{size(item.file.size)}</Cell>
		<td role="cell" class="became"><Became item={item} /></td>
		<td role="cell" class={study ? 'act' : 'act none'}><div class="acts">
			{study && may('search') && <a class="button"
				href={`#/study/${part(study)}`}
				aria-label={t('study_of_file', { name: item.name })}>
				{t('study')}</a>}
		</div></td>
	</tr>;
}

function matters(item: Item): boolean {
	const at = item.at.value;
	return at.is === 'sending' || at.is === 'broken' ||
		(at.is === 'done' && kind(at.answer) === 'bad');
}

function List() {
	const all = items.value;
	const rows = all.length <= SHOWN ? all :
		all.filter(matters).slice(0, SHOWN);
	return <section class="box over">
		{rows.length > 0 && <div class="scroll">
			<table role="table" class="cards" aria-label={t('files')}>
				<thead role="rowgroup"><tr role="row">
					<Head label="file_name" />
					<Head label="file_size" count />
					<Head label="file_became" />
					<th scope="col"><span class="unseen">{t('actions')}</span></th>
				</tr></thead>
				<tbody role="rowgroup">{rows.map(i =>
					<Row key={i.id} item={i} />)}</tbody>
			</table></div>}
		{rows.length < all.length && <p class="more hint">
			{t('upload_few', { n: all.length - rows.length })}</p>}
	</section>;
}

// Of all: by what became of them.
function sums(): string {
	const sum = {} as { [o in Outcome]: number };
	for (const o of outcomes)
		sum[o] = 0;
	for (const i of items.value) {
		const at = i.at.value;
		if (at.is === 'done')
			for (const o of outcomes)
				sum[o] += at.answer[o];
	}
	const list = outcomes.filter(o => sum[o] > 0)
		.map(o => `${t(`outcome_${o}`)}: ${number(sum[o])}`);
	if (counts.value.broken > 0)
		list.push(`${t('upload_broken')}: ${number(counts.value.broken)}`);
	return list.join(', ');
}

function All() {
	const { files, done, broken, bytes, sent } = counts.value;
	const over = !busy.value && done > 0;
	return <section class="box" aria-label={t('upload_all')}>
		<div class="bar">
			<progress class="all" max={bytes || 1} value={bytes ? sent : 1}
				aria-label={t('upload_all')} />
			<span>{t('upload_so_far', { done: number(done), n: files,
				sent: size(sent), bytes: size(bytes) })}</span>
			<div class="end">
				{busy.value && <button type="button" onClick={stop}>
					{t('stop')}</button>}
				{!busy.value && (broken > 0 || halted.value) &&
					<button type="button" class="primary" onClick={again}>
						{t('try_again')}</button>}
				{done > 0 && <button type="button" onClick={clear}>
					{t('clear_done')}</button>}
			</div>
		</div>
		{/* Told when it begins and when it is over, not at each file. */}
		<p role="status">{busy.value ? t('uploading') :
			over || broken > 0 ? sums() : ''}</p>
		<p role="alert" class="alert">{halted.value && !busy.value ?
			words(halted.value) : ''}</p>
	</section>;
}

const folders = 'webkitdirectory' in HTMLInputElement.prototype;

function Choose({ folder }: { folder: boolean }) {
	const input = useRef<HTMLInputElement>(null);
	return <>
		<button type="button" class={folder ? undefined : 'primary'}
			onClick={() => input.current?.click()}>
			{t(folder ? 'choose_folder' : 'choose_files')}</button>
		<input ref={input} type="file" multiple hidden
			name={folder ? 'folder' : 'files'}
			{...(folder ? { webkitdirectory: true } : {})}
			onChange={e => {
				take([...e.currentTarget.files ?? []].map(file => ({ file,
					name: file.webkitRelativePath || file.name })));
				// The same can be chosen once more.
				e.currentTarget.value = '';
			}} />
	</>;
}

const over = signal(false);

// Anywhere on the page: what is dropped beside a field the browser would open.
function useDrops(): void {
	useEffect(() => {
		const hold = (e: DragEvent): void => {
			if (!e.dataTransfer?.types.includes('Files'))
				return;
			e.preventDefault();
			over.value = e.type === 'dragover';
			if (e.type === 'drop')
				void dropped(e.dataTransfer).then(({ found, unreadable }) => {
					if (unreadable > 0)
						tell(t('upload_some_unreadable', { n: unreadable }));
					take(found);
				});
		};
		const names = ['dragover', 'dragleave', 'drop'] as const;
		names.forEach(n => addEventListener(n, hold));
		return () => names.forEach(n => removeEventListener(n, hold));
	}, []);
}

export function UploadPage() {
	useDrops();
	return <main id="content" tabIndex={-1} class="narrow">
		<h1>{t('upload')}</h1>
		<section class={over.value ? 'box drop over-it' : 'box drop'}>
			<p>{t('upload_drop')}</p>
			<div class="bar">
				<Choose folder={false} />
				{folders && <Choose folder />}
			</div>
			<p class="hint">{t('upload_what')}</p>
		</section>
		{items.value.length > 0 && <>
			<All />
			<List />
		</>}
	</main>;
}
