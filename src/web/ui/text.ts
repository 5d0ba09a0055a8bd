// Texts in the browser's language, and dates, numbers and names by Intl.
import { en, type Catalogue, type Key } from './text/en';

export type { Key };

// Catalogues that there are besides English; each is fetched when needed.
const others: { [language: string]: () => Promise<Catalogue> } = {
	de: () => import('./text/de').then(m => m.de),
	el: () => import('./text/el').then(m => m.el),
};

let catalogue: Catalogue = en;
let locale = 'en';
let plural = new Intl.PluralRules('en');
// Dates and numbers are in the browser's language, also where texts are not.
const wanted = [...(navigator.languages ?? [navigator.language])];

export async function begin(): Promise<void> {
	for (const one of wanted) {
		const language = one.split('-')[0]!.toLowerCase();
		if (language === 'en')
			break;
		const load = others[language];
		if (!load)
			continue;
		try {
			catalogue = await load();
			locale = language;
			plural = new Intl.PluralRules(one);
		} catch {
			/* English is there. */
		}
		break;
	}
	document.documentElement.lang = locale;
}

export const translated = (): boolean => locale !== 'en';

type Values = { [name: string]: string | number };

export function t(key: Key, values: Values = {}): string {
	const entry = catalogue[key] ?? en[key];
	const text = typeof entry === 'string' ? entry :
		entry[plural.select(Number(values.n ?? 0))] ?? entry.other ?? key;
	return text.replace(/\{(\w+)\}/g, (all, name) => {
		const value = values[name];
		if (value === undefined)
			return all;
		return typeof value === 'number' ? number(value) : value;
	});
}

export function has(key: string): key is Key {
	return Object.prototype.hasOwnProperty.call(en, key);
}

const numbers = new Intl.NumberFormat(wanted);
const days = new Intl.DateTimeFormat(wanted, {
	year: 'numeric', month: '2-digit', day: '2-digit', timeZone: 'UTC',
});
// Hours count to 24 everywhere: short, and nobody takes night for day.
const times = new Intl.DateTimeFormat(wanted, {
	hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone: 'UTC',
});
const moments = new Intl.DateTimeFormat(wanted, {
	dateStyle: 'medium', timeStyle: 'short', hourCycle: 'h23',
});

const instants = new Intl.DateTimeFormat(wanted, {
	dateStyle: 'short', timeStyle: 'medium', hourCycle: 'h23',
});

export function number(n: number): string {
	return numbers.format(n);
}

const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'];

export function size(bytes: number): string {
	let n = bytes, unit = 0;
	while (n >= 999.5 && unit < units.length - 1) {
		n /= 1000;
		unit++;
	}
	return new Intl.NumberFormat(wanted, { style: 'unit', unit: units[unit]!,
		unitDisplay: unit === 0 ? 'long' : 'short',
		maximumFractionDigits: n < 10 && unit > 0 ? 1 : 0 }).format(n);
}

// Dates and times of DICOM have no zone: they are shown as they are. What is
// none is shown as it was written.
export function day(iso: string): string {
	const at = /^\d{4}-\d\d-\d\d$/.test(iso) ? Date.parse(iso) : NaN;
	return Number.isNaN(at) ? iso : days.format(at);
}

export function time(iso: string): string {
	const at = /^\d\d:\d\d:\d\d$/.test(iso) ?
		Date.parse(`1970-01-01T${iso}Z`) : NaN;
	return Number.isNaN(at) ? iso : times.format(at);
}

// A moment of ours, in the browser's own zone.
export function moment(iso: string): string {
	const at = Date.parse(iso);
	return Number.isNaN(at) ? iso : moments.format(at);
}

// The same to the second.
export function instant(iso: string): string {
	const at = Date.parse(iso);
	return Number.isNaN(at) ? iso : instants.format(at);
}

// 0:20:42
export function duration(seconds: number): string {
	const two = (n: number): string => String(n).padStart(2, '0');
	return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}` +
		`:${two(Math.floor(seconds) % 60)}`;
}

export function sex(code: string): string {
	const key = `sex_${code}`;
	return has(key) && code.length === 1 ? t(key) : code;
}
