// Where we are: the part of the address behind #, which is never sent to the
// server and so stands in no log: "/studies?patient_name=…".
import { computed, signal } from '@preact/signals';

const hash = signal(location.hash);
addEventListener('hashchange', () => { hash.value = location.hash; });

export const place = computed(() => {
	const text = hash.value.replace(/^#/, '');
	const cut = text.indexOf('?');
	const path = cut < 0 ? text : text.slice(0, cut);
	return {
		parts: path.split('/').filter(p => p !== '').map(decode),
		query: new URLSearchParams(cut < 0 ? '' : text.slice(cut + 1)),
		text,
	};
});

function decode(part: string): string {
	try {
		return decodeURIComponent(part);
	} catch {
		return part;
	}
}

export function go(to: string, instead = false): void {
	if (instead) {
		history.replaceState(null, '', '#' + to);
		hash.value = location.hash;
	} else {
		location.hash = to;
	}
}
