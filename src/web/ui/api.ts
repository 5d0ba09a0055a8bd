// Asking the server. Answers and their meaning: /api/v1/openapi.json.

export interface Patient {
	patient_id: string;
	issuer: string;
	patient_name: string;
	birth_date: string;
	sex: string;
	key: number;
}

export interface Study extends Patient {
	uid: string;
	study_id: string;
	date: string;
	time: string;
	accession: string;
	description: string;
	referring: string;
	institution: string;
	modalities: string[];
	series: number;
	instances: number;
}

export interface Series {
	uid: string;
	number: string;
	modality: string;
	date: string;
	time: string;
	description: string;
	body_part: string;
	station: string;
	instances: number;
}

export interface FoundSeries extends Series {
	study: Study;
}

export interface Person {
	salute: string;
	first_name: string;
	last_name: string;
	email: string;
	phone: string;
	institution: string;
	department: string;
}

export interface User extends Person {
	name: string;
	role: 'admin' | 'user';
	active: boolean;
	rights: string[];
	only_institution: string;
	only_referring: string;
	only_modality: string;
	only_own: boolean;
	second_factor: boolean;
	created: string;
	login: string;
}

export interface Session {
	user: User;
	token: string;
}

export interface Portal {
	institution: string;
	department: string;
	client: string;
	secure: boolean;
	setup: boolean;
}

export interface Token {
	token: string;
	url: string;
	open: boolean;
	until: string; // "": without an end
	opens: number;
	opened: string;
}

export interface Report {
	id: number;
	title: string;
	status: string; // OBR-25
	application: string; // the sender, as MSH-3 and MSH-4 name it
	facility: string;
	other_patient: string; // its patient ID, where the study has another
	received: string;
	text_bytes: number;
	pdf_bytes: number;
}

// Counts that are nought are left out.
export interface Activity {
	id?: number; // none of what is told as it is now
	protocol: 'dicom' | 'hl7' | 'web';
	outgoing?: boolean;
	who: string;
	called: string;
	address: string;
	began: string;
	ended?: string; // "": it goes on
	seen?: string;
	seconds?: number;
	bytes_in?: number;
	bytes_out?: number;
	echoes?: number;
	stores?: number;
	stores_failed?: number;
	finds?: number;
	gets?: number;
	moves?: number;
	instances_in?: number;
	instances_out?: number;
	requests?: number;
	end?: string;
	detail?: string;
	session?: string;
	browser?: string;
	actions?: string[];
}

export interface ApiKey {
	id: number;
	name: string;
	created: string;
	used: string;
}

export const outcomes = ['stored', 'replaced', 'orders', 'same', 'quarantined',
	'ignored', 'refused'] as const;
export type Outcome = typeof outcomes[number];

// How many there were of each outcome, and which.
export type UploadAnswer = { [o in Outcome]: number } & {
	files: Array<{
		name: string;
		outcome: Outcome;
		message?: string;
		study?: string;
		taken?: number; // of orders
		refused?: number;
		reasons?: string[];
	}>;
};

export class Trouble extends Error {
	constructor(readonly status: number, readonly code: string,
		message: string) {
		super(message);
	}
}

let csrf = '';

export function remember(session: Session): void {
	csrf = session.token;
}

// What to do when the session has ended.
let ended = (): void => undefined;

export function whenEnded(then: () => void): void {
	ended = then;
}

async function fetched(method: string, path: string, body?: unknown,
	signal?: AbortSignal): Promise<Response> {
	const headers: { [name: string]: string } = { Accept: 'application/json' };
	if (method !== 'GET')
		headers['X-Fileroom-Token'] = csrf;
	if (body !== undefined)
		headers['Content-Type'] = 'application/json';
	let answer: Response;
	try {
		answer = await fetch('/api/v1' + path, {
			method, headers, signal: signal ?? null, cache: 'no-store',
			body: body === undefined ? null : JSON.stringify(body),
		});
	} catch (e) {
		if (signal?.aborted)
			throw e;
		throw new Trouble(0, 'network', String(e));
	}
	if (answer.ok)
		return answer;
	throw troubleOf(answer.status, await answer.json().catch(() => null),
		answer.statusText);
}

export async function ask<T>(method: string, path: string, body?: unknown,
	signal?: AbortSignal): Promise<T> {
	const answer = await fetched(method, path, body, signal);
	return answer.status === 204 ? undefined as T :
		await answer.json().catch(() => null) as T;
}

// What is plain text, not JSON.
export async function askText(path: string, signal?: AbortSignal):
	Promise<string> {
	return (await fetched('GET', path, undefined, signal)).text();
}

type Said = { error?: { code?: string; message?: string } } | null;

function troubleOf(status: number, data: Said, text: string): Trouble {
	const code = String(data?.error?.code ?? 'internal');
	if (status === 401 && ['login', 'ended', 'link_ended'].includes(code))
		ended();
	return new Trouble(status, code, String(data?.error?.message ?? text));
}

// One file; only XMLHttpRequest tells how far it is. A file that was refused
// is an answer, too.
export function upload(file: File, progress: (bytes: number) => void,
	signal: AbortSignal): Promise<UploadAnswer> {
	return new Promise((done, fail) => {
		const x = new XMLHttpRequest();
		x.open('POST', '/api/v1/uploads');
		x.setRequestHeader('X-Fileroom-Token', csrf);
		x.setRequestHeader('Content-Type', 'application/octet-stream');
		x.upload.onprogress = e => progress(e.loaded);
		x.onload = () => {
			let data: UploadAnswer & NonNullable<Said> | null = null;
			try {
				data = JSON.parse(x.responseText);
			} catch {
				/* Not of ours: its status must do. */
			}
			if (data?.files && (x.status === 200 || x.status === 422))
				done(data);
			else
				fail(troubleOf(x.status, data, x.statusText));
		};
		x.onerror = x.onabort = () =>
			fail(new Trouble(0, 'network', 'broken off'));
		signal.addEventListener('abort', () => x.abort());
		x.send(file);
	});
}

export const part = encodeURIComponent;

export function query(values: { [name: string]: string }): string {
	const list = new URLSearchParams();
	for (const [name, value] of Object.entries(values))
		if (value !== '')
			list.set(name, value);
	const text = list.toString();
	return text === '' ? '' : '?' + text;
}

// Who is known by the row of the list alone: without ID, or with one that
// browsers take for a step in the address, percent-encoded or not.
export const byKey = (p: Patient): boolean =>
	['', '.', '..'].includes(p.patient_id);

// What there is of a patient. Who has no issuer is not one who has.
export const ofPatient = (p: Patient, what: 'studies' | 'archive'): string =>
	byKey(p) ? `/patients/-/${what}?key=${p.key}` :
		`/patients/${part(p.patient_id)}/${what}?issuer=${part(p.issuer)}`;

// Addresses of zip files.
export const zip = {
	study: (uid: string) => `/api/v1/studies/${part(uid)}/archive`,
	series: (uid: string) => `/api/v1/series/${part(uid)}/archive`,
	patient: (p: Patient) => '/api/v1' + ofPatient(p, 'archive'),
	many: (studies: string[], series: string[]) => '/api/v1/archive' +
		query({ studies: studies.join(','), series: series.join(',') }),
};
