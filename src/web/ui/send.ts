// Files on their way to the server: a few at a time, each in a request of its
// own, so that each has its progress and its answer, and what breaks off is
// sent again alone. They go on while other pages are looked at.
import { signal, type Signal } from '@preact/signals';
import { Trouble, upload, type UploadAnswer } from './api';

// As many as keep a line busy; other requests of the browser need room, too.
const AT_ONCE = 3;
// More would have the browser's memory for their names alone.
export const MOST = 100000;

export interface Item {
	id: number;
	file: File;
	name: string; // with its folders
	at: Signal<State>;
	sent: Signal<number>;
}

// 'broken' and 'stopped' can be sent again.
export type State = {
	is: 'waiting' | 'sending' | 'stopped';
} | {
	is: 'done';
	answer: UploadAnswer;
} | {
	is: 'broken';
	trouble: Trouble;
};

export interface Counts {
	files: number;
	done: number;
	broken: number;
	bytes: number;
	sent: number;
}

export const items = signal<Item[]>([]);
export const counts = signal<Counts>(none());
export const busy = signal(false);
// Why nothing more is sent until somebody says so.
export const halted = signal<Trouble | null>(null);

const running = new Map<Item, AbortController>();
let next = 0;
let ids = 0;

function none(): Counts {
	return { files: 0, done: 0, broken: 0, bytes: 0, sent: 0 };
}

function count(change: Partial<Counts>): void {
	const now = { ...counts.value };
	for (const key of Object.keys(change) as Array<keyof Counts>)
		now[key] += change[key]!;
	counts.value = now;
}

// How many were one too many.
export function add(files: Array<{ file: File; name: string }>): number {
	const room = Math.max(0, MOST - items.value.length);
	const more = files.slice(0, room).map(({ file, name }) => ({ file, name,
		id: ids++, at: signal<State>({ is: 'waiting' }), sent: signal(0) }));
	items.value = [...items.value, ...more];
	count({ files: more.length,
		bytes: more.reduce((sum, i) => sum + i.file.size, 0) });
	begin();
	return files.length - more.length;
}

// Sends what waits, and again what was broken off.
export function again(): void {
	for (const item of items.value) {
		const { is } = item.at.value;
		if (is !== 'broken' && is !== 'stopped')
			continue;
		item.at.value = { is: 'waiting' };
		count({ broken: -1 });
	}
	next = 0;
	begin();
}

export function stop(): void {
	for (const item of items.value)
		if (item.at.value.is === 'waiting') {
			item.at.value = { is: 'stopped' };
			count({ broken: 1 });
		}
	running.forEach(r => r.abort());
}

// Takes what is done off the list.
export function clear(): void {
	items.value = items.value.filter(i => i.at.value.is !== 'done');
	next = 0;
	counts.value = none();
	count({ files: items.value.length,
		bytes: items.value.reduce((sum, i) => sum + i.file.size, 0),
		broken: items.value.filter(i => i.at.value.is === 'broken' ||
			i.at.value.is === 'stopped').length });
}

function begin(): void {
	halted.value = null;
	pump();
}

function waiting(): Item | undefined {
	while (next < items.value.length &&
		items.value[next]!.at.value.is !== 'waiting')
		next++;
	return items.value[next];
}

function pump(): void {
	while (running.size < AT_ONCE && !halted.value) {
		const item = waiting();
		if (!item)
			break;
		void send(item);
	}
	busy.value = running.size > 0;
}

function move(item: Item, sent: number): void {
	count({ sent: sent - item.sent.value });
	item.sent.value = sent;
}

async function send(item: Item): Promise<void> {
	const stopper = new AbortController();
	running.set(item, stopper);
	item.at.value = { is: 'sending' };
	try {
		const answer = await upload(item.file, part => move(item,
			Math.min(item.file.size, part)), stopper.signal);
		move(item, item.file.size);
		item.at.value = { is: 'done', answer };
		count({ done: 1 });
	} catch (e) {
		move(item, 0);
		count({ broken: 1 });
		if (stopper.signal.aborted) {
			item.at.value = { is: 'stopped' };
		} else {
			const trouble = await why(item.file, e as Trouble);
			item.at.value = { is: 'broken', trouble };
			if (!ofFile(trouble))
				halted.value = trouble;
		}
	}
	running.delete(item);
	pump();
}

// The browser says the same of a line that broke and of a file that is gone or
// was written to.
async function why(file: File, trouble: Trouble): Promise<Trouble> {
	if (trouble.code === 'network')
		try {
			await file.slice(0, 1).arrayBuffer();
		} catch (e) {
			return new Trouble(0, 'unreadable', String(e));
		}
	return trouble;
}

// Others may fare better than this one.
function ofFile({ code }: Trouble): boolean {
	return ['too_large', 'malformed', 'wrong', 'unreadable', 'internal']
		.includes(code);
}

// Who leaves the page while files are on their way is asked.
addEventListener('beforeunload', e => {
	if (busy.value)
		e.preventDefault();
});

interface Found {
	file: File;
	name: string;
}

// What was dropped, folders and all; no deeper than the memory for it goes.
export async function dropped(data: DataTransfer):
	Promise<{ found: Found[]; unreadable: number }> {
	const found: Found[] = [];
	let unreadable = 0;
	// Asked for at once: after the event there is nothing left in it.
	const entries = [...data.items].filter(i => i.kind === 'file')
		.map(i => i.webkitGetAsEntry?.() ?? i.getAsFile());
	const open: FileSystemEntry[] = [];
	for (const e of entries)
		if (e instanceof File)
			found.push({ file: e, name: e.name });
		else if (e)
			open.push(e);
	open.reverse();
	while (open.length > 0 && found.length <= MOST) {
		const e = open.pop()!;
		try {
			if (e.isFile)
				found.push({ name: e.fullPath.replace(/^\//, ''),
					file: await new Promise<File>((done, fail) =>
						(e as FileSystemFileEntry).file(done, fail)) });
			else
				open.push(...(await inside(e as FileSystemDirectoryEntry))
					.reverse());
		} catch {
			unreadable++;
		}
	}
	return { found, unreadable };
}

// A folder's entries come in portions, the last of which is empty.
async function inside(folder: FileSystemDirectoryEntry):
	Promise<FileSystemEntry[]> {
	const reader = folder.createReader();
	const all: FileSystemEntry[] = [];
	for (;;) {
		const some = await new Promise<FileSystemEntry[]>((done, fail) =>
			reader.readEntries(done, fail));
		if (some.length === 0)
			return all;
		all.push(...some);
	}
}
