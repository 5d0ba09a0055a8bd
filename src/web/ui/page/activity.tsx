// Activity (F17, F111-F116): what goes on now, and what there was by days:
// associations, HL7 connections, sessions of the portal.
import { useState } from 'preact/hooks';
import { ask, query, type Activity } from '../api';
import { More, usePages } from '../part/pages';
import { Alert, Data, Dialog, Sure, tell, words } from '../part/parts';
import { Cell, Head, Text, walk } from '../part/rows';
import { go, place } from '../route';
import { duration, instant, number, size, t, type Key } from '../text';

const times = ['now', 'today', 'yesterday', 'last7', 'all'] as const;
type When = typeof times[number];
const timeKeys: { [w in When]: Key } = {
	now: 'activity_now', today: 'mode_today', yesterday: 'mode_yesterday',
	last7: 'mode_last7', all: 'activity_all',
};
const protocols = ['dicom', 'hl7', 'web'] as const;
const PAGE = 100;

// How the server says that it ended.
const ends: { [how: string]: Key } = {
	'open': 'end_open',
	'released': 'end_released',
	'rejected': 'end_rejected',
	'refused by the peer': 'end_refused',
	'no association': 'end_none',
	'aborted by the peer': 'end_by_peer',
	'aborted by this side': 'end_by_us',
	'connection lost': 'end_lost',
	'closed by peer': 'end_closed',
	'closed': 'end_closed',
	'timed out': 'end_timed_out',
	'stopped': 'end_stopped',
	'server stopped': 'end_stopped',
	'server ended': 'end_stopped',
	'logged out': 'end_logged_out',
	'failed': 'end_failed',
	'too many': 'end_too_many',
	'ended for the user': 'end_for_user',
	'link revoked': 'end_revoked',
};
const well = ['released', 'closed by peer', 'logged out', 'timed out', 'open',
	'server stopped'];

// By what a session of the portal came.
const ways: { [by: string]: Key } = {
	'cookie': 'by_cookie', 'basic': 'by_basic', 'key': 'by_key',
	'link': 'by_link', 'log-in': 'by_failed',
};

const ending = (a: Activity): string => {
	const how = a.end ?? 'open';
	return how in ends ? t(ends[how]!) : how;
};

// What stands in "called" is another thing for each: of HL7 the facility of
// who sends, of the portal the way in.
const whoOf = (a: Activity): string => a.protocol !== 'hl7' ? a.who :
	[a.who, a.called].filter(x => x).join(', ');

const nameOf = (a: Activity): string => whoOf(a) ||
	t(a.protocol === 'web' && a.called === 'link' ? 'by_link' : 'nobody');

const calledOf = (a: Activity): string =>
	a.protocol === 'dicom' ? a.called : '';

const wayOf = (a: Activity): string => a.protocol !== 'web' ? '' :
	a.called in ways ? t(ways[a.called]!) : a.called;

// How long, in seconds; of what goes on now until its last request.
const lasted = (a: Activity): number => a.seconds ?? Math.max(0,
	(Date.parse(a.seen ?? '') - Date.parse(a.began)) / 1000 || 0);

const sizeOf = (n: number | undefined): string =>
	n === undefined ? '' : size(n);

// DICOM's own names for what is DICOM's, words for the rest.
function deeds(a: Activity): string {
	const list: string[] = [];
	const count = (key: Key, n: number | undefined): void => {
		if (n)
			list.push(t(key, { n }));
	};
	if (a.protocol === 'hl7') {
		count('did_messages', a.stores);
		count('did_refused', a.stores_failed);
		count('did_tokens', a.finds);
	} else if (a.protocol === 'web') {
		count('did_searches', a.finds);
		count('did_downloads', a.gets);
		count('did_uploads', a.stores);
		count('did_in', a.instances_in);
		count('did_requests', a.requests);
	} else {
		for (const [name, n] of [['C-ECHO', a.echoes], ['C-STORE', a.stores],
			['C-FIND', a.finds], ['C-GET', a.gets], ['C-MOVE', a.moves]] as const)
			if (n)
				list.push(n > 1 ? `${name} × ${number(n)}` : name);
		count('did_failed', a.stores_failed);
		count('did_in', a.instances_in);
		count('did_out', a.instances_out);
	}
	return list.join(', ');
}

function Kind({ of }: { of: Activity }) {
	return <><span class="tag">{t(`protocol_${of.protocol}`)}</span>
		{wayOf(of)}
		{of.outgoing && <span class="tag off">{t('outgoing')}</span>}</>;
}

function Facts({ of }: { of: Activity }) {
	const facts: Array<[Key, string]> = [
		['who', nameOf(of)],
		['protocol', [t(`protocol_${of.protocol}`), wayOf(of)]
			.filter(x => x).join(', ')],
		['called', calledOf(of)],
		['address', of.address],
		['began', instant(of.began)],
		['ended', of.ended ? instant(of.ended) : ''],
		['last_seen', of.seen ? instant(of.seen) : ''],
		['duration', duration(lasted(of))],
		['bytes_in', sizeOf(of.bytes_in)],
		['bytes_out', sizeOf(of.bytes_out)],
		['did', deeds(of)],
		['how_ended', ending(of)],
		['session_id', of.session ?? ''],
	];
	const long: Array<[Key, string]> = [
		['trouble', of.detail ?? ''],
		['browser', of.browser ?? ''],
	];
	return <dl class="facts">
		{facts.filter(([, value]) => value !== '').map(([label, value]) =>
			<div><dt>{t(label)}</dt><dd><Data>{value}</Data></dd></div>)}
		{long.filter(([, value]) => value !== '').map(([label, value]) =>
			<div class="long"><dt>{t(label)}</dt>
				<dd><Data>{value}</Data></dd></div>)}
	</dl>;
}

// What a session asked for, what an HL7 connection has brought, in its order
// (F114).
function Details({ of, onClose }: { of: Activity; onClose: () => void }) {
	const actions = of.actions ?? [];
	const list = t(of.protocol === 'hl7' ? 'messages_list' : 'requests_list');
	return <Dialog wide onClose={onClose}
		title={`${t(`protocol_${of.protocol}`)}: ${nameOf(of)}`}>
		<Facts of={of} />
		{actions.length > 0 && <>
			<h3>{list}</h3>
			<pre class="actions" role="region" tabIndex={0} dir="ltr"
				aria-label={list}>{actions.join('\n')}</pre>
		</>}
		<div class="bar"><div class="end">
			<button type="button" onClick={onClose}>{t('close')}</button>
		</div></div>
	</Dialog>;
}

function Rows({ rows }: { rows: Activity[] }) {
	const [shown, show] = useState<Activity | null>(null);
	const details = (a: Activity): void => {
		if (a.id === undefined)
			show(a);
		else
			ask<Activity>('GET', `/activity/${a.id}`)
				.then(show, e => tell(words(e)));
	};
	return <>
		<div class="scroll"><table role="table" class="cards"
			aria-label={t('activity')}>
			<thead role="rowgroup"><tr role="row">
				<Head label="who" />
				<Head label="protocol" />
				<Head label="called" />
				<Head label="address" />
				<Head label="began" />
				<Head label="duration" count />
				<Head label="bytes_in" count />
				<Head label="bytes_out" count />
				<Head label="did" />
				<Head label="how_ended" />
				<th scope="col"><span class="unseen">{t('actions')}</span></th>
			</tr></thead>
			<tbody role="rowgroup" onKeyDown={walk}>{rows.map(a =>
				<tr role="row" key={a.id ?? a.session ?? a.address + a.began + a.who}
					onDblClick={() => details(a)}>
					<Cell kind="title" title={nameOf(a)}>
						{whoOf(a) ? <strong><Data>{whoOf(a)}</Data></strong> :
							<span class="hint">{nameOf(a)}</span>}</Cell>
					<Cell label="protocol" kind="keep"><Kind of={a} /></Cell>
					<Text label="called" value={calledOf(a)} />
					<Text label="address" value={a.address} />
					<Text label="began" kind="date" value={instant(a.began)} />
					<Cell label="duration" kind="count">{duration(lasted(a))}</Cell>
					<Text label="bytes_in" kind="count keep"
						value={sizeOf(a.bytes_in)} />
					<Text label="bytes_out" kind="count keep"
						value={sizeOf(a.bytes_out)} />
					<Text label="did" kind="long" value={deeds(a)} />
					<Cell label="how_ended" kind="keep"
						{...(a.detail ? { title: a.detail } : {})}>
						<span class={!a.end || a.end === 'open' ? 'tag good' :
							well.includes(a.end) ? undefined : 'tag bad'}>
							{ending(a)}</span></Cell>
					<td role="cell" class="act"><div class="acts">
						<button type="button" onClick={() => details(a)}
							aria-label={t('details_of', { name: nameOf(a) })}>
							{t('details')}</button>
					</div></td>
				</tr>)}</tbody>
		</table></div>
		{shown && <Details of={shown} onClose={() => show(null)} />}
	</>;
}

export function ActivityPage() {
	const given = place.value.query;
	const when = times.find(w => w === given.get('when')) ?? 'today';
	const protocol = protocols.find(p => p === given.get('protocol')) ?? '';
	const [sure, be_sure] = useState(false);
	const list = usePages<{ activity: Activity[]; next?: string }, Activity>(
		when === 'now' ? '/activity/now' :
			'/activity' + query({ when, protocol, limit: String(PAGE) }),
		found => found.activity);
	const to = (w: string, p: string): string =>
		'/activity' + query({ when: w === 'today' ? '' : w, protocol: p });
	const rows = list.rows.filter(a => !protocol || a.protocol === protocol);
	if (when === 'now')
		rows.sort((a, b) => a.began < b.began ? 1 : -1);
	const n = rows.length;

	const remove = (): void => {
		be_sure(false);
		ask('DELETE', '/activity').then(() => {
			tell(t('deleted'));
			return list.get(false);
		}).catch(e => tell(words(e)));
	};

	return <main id="content" tabIndex={-1}>
		<h1 class="unseen">{t('activity')}</h1>
		<div class="bar">
			<nav class="levels" aria-label={t('activity_when')}>
				{times.map(w => <a href={'#' + to(w, protocol)}
					aria-current={w === when ? 'true' : undefined}>
					{t(timeKeys[w])}</a>)}
			</nav>
			<select name="protocol" value={protocol} aria-label={t('protocol')}
				onChange={e => go(to(when, e.currentTarget.value))}>
				<option value="">{t('protocol_all')}</option>
				{protocols.map(p =>
					<option value={p}>{t(`protocol_${p}`)}</option>)}
			</select>
			<p class="status" role="status">
				{list.busy ? t('loading') : list.error ? '' : list.more ?
					t('shown_more', { n }) : t('shown', { n })}
			</p>
			<div class="end">
				{/* By hand: a page that asked by itself would keep its session
				  * open for ever. */}
				<button type="button" onClick={() => void list.get(false)}>
					{t('refresh')}</button>
				{when !== 'now' && <button type="button" class="danger"
					onClick={() => be_sure(true)}>{t('delete_activity')}</button>}
			</div>
		</div>
		<Alert text={list.error} />
		<div class={list.busy ? 'box over busy' : 'box over'}
			aria-busy={list.busy}>
			{n === 0 && !list.busy && !list.error && <div class="empty">
				<strong>{t('activity_none')}</strong></div>}
			{n > 0 && <Rows rows={rows} />}
			<More list={list} />
		</div>
		{sure && <Sure text={t('delete_activity_sure')}
			action={t('delete_activity')} onYes={remove}
			onNo={() => be_sure(false)} />}
	</main>;
}
