// A list that comes page by page: the next one before its place is reached.
import { useSignal } from '@preact/signals';
import type { RefObject } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { ask, part } from '../api';
import { t } from '../text';
import { words } from './parts';

export interface Pages<Row> {
	rows: Row[];
	of: string; // the address that these rows are from
	more: boolean;
	busy: boolean;
	error: string;
	end: RefObject<HTMLDivElement | null>;
	get: (more: boolean) => Promise<void>;
}

// address: what is asked, with "next" of the page before at its end.
export function usePages<Answer extends { next?: string }, Row>(
	address: string, rowsOf: (a: Answer) => Row[] | undefined): Pages<Row> {
	const rows = useSignal<Row[]>([]);
	const of = useSignal('');
	const next = useSignal('');
	const busy = useSignal(true);
	const error = useSignal('');
	const stop = useRef<AbortController | null>(null);
	const end = useRef<HTMLDivElement>(null);

	const get = async (more: boolean): Promise<void> => {
		if (more && (busy.value || next.value === ''))
			return;
		stop.current?.abort();
		const mine = stop.current = new AbortController();
		busy.value = true;
		error.value = '';
		try {
			const found = await ask<Answer>('GET', more ? address +
				(address.includes('?') ? '&' : '?') + 'next=' +
				part(next.value) : address, undefined, mine.signal);
			const page = rowsOf(found) ?? [];
			rows.value = more ? [...rows.value, ...page] : page;
			of.value = address;
			next.value = found.next ?? '';
		} catch (e) {
			if (mine.signal.aborted)
				return;
			error.value = words(e);
			if (!more)
				rows.value = [];
			next.value = '';
		}
		busy.value = false;
	};

	useEffect(() => {
		void get(false);
		return () => stop.current?.abort();
	}, [address]);

	useEffect(() => {
		if (!end.current)
			return undefined;
		const eye = new IntersectionObserver(seen => {
			if (seen.some(s => s.isIntersecting))
				void get(true);
		}, { rootMargin: '600px' });
		eye.observe(end.current);
		return () => eye.disconnect();
	}, [address, rows.value.length]);

	return { rows: rows.value, of: of.value, more: next.value !== '',
		busy: busy.value, error: error.value, end, get };
}

// What stands behind the last row.
export function More<Row>({ list }: { list: Pages<Row> }) {
	if (!list.more)
		return null;
	return <div class="more" ref={list.end}>
		<button type="button" onClick={() => void list.get(true)}>
			{t('more_rows')}</button>
	</div>;
}
