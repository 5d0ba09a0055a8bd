// Small parts that pages share.
import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { encode } from 'uqr';
import { Trouble } from '../api';
import { go } from '../route';
import { has, t, type Key } from '../text';

// What an error says, by its code; what has no words of ours says its own.
export function words(e: unknown): string {
	if (!(e instanceof Trouble))
		return t('error');
	const key = `error_${e.code}`;
	// These say which field is wrong: more than we could.
	if (e.code === 'wrong' || e.code === 'conflict' || e.code === 'malformed')
		return e.message;
	return has(key) ? t(key as Key) : e.message || t('error');
}

const toast = signal('');
let toastTimer = 0;

export function tell(text: string): void {
	toast.value = text;
	clearTimeout(toastTimer);
	toastTimer = window.setTimeout(() => { toast.value = ''; }, 5000);
}

export function Toast() {
	return <div role="status" aria-live="polite">
		{toast.value && <div class="toast">{toast.value}</div>}
	</div>;
}

export function Alert({ text }: { text: string }) {
	return <p role="alert" class="alert">{text}</p>;
}

// To where one came from; who came by an address begins at the beginning.
export function Back() {
	return <div class="bar"><button type="button" class="plain back"
		onClick={() => history.length > 1 ? history.back() : go('/')}>
		{t('back')}</button></div>;
}

// Data of people: its direction is its own.
export function Data({ children }: { children: ComponentChildren }) {
	return <bdi>{children}</bdi>;
}

export function Field({ label, hint, children }:
	{ label: string; hint?: string; children: ComponentChildren }) {
	return <label>
		<span>{label}</span>
		{children}
		{hint && <small>{hint}</small>}
	</label>;
}

export function Tick({ label, checked, disabled, onChange }: {
	label: string; checked: boolean; disabled?: boolean;
	onChange: (on: boolean) => void;
}) {
	return <label class="tick">
		<input type="checkbox" checked={checked} disabled={disabled ?? false}
			onChange={e => onChange(e.currentTarget.checked)} />
		<span>{label}</span>
	</label>;
}

// A modal dialog; Escape closes it, and the focus goes back to where it was.
export function Dialog({ title, wide, onClose, children }: {
	title: string; wide?: boolean; onClose: () => void;
	children: ComponentChildren;
}) {
	const at = useRef<HTMLDialogElement>(null);
	useEffect(() => {
		const before = document.activeElement;
		at.current?.showModal();
		return () => {
			if (before instanceof HTMLElement)
				before.focus();
		};
	}, []);
	return <dialog ref={at} class={wide ? 'wide' : undefined}
		aria-labelledby="dialog-title" onClose={onClose}>
		<h2 id="dialog-title">{title}</h2>
		{children}
	</dialog>;
}

// To be sure before something is gone.
export function Sure({ text, action, onYes, onNo }: {
	text: string; action: string; onYes: () => void; onNo: () => void;
}) {
	return <Dialog title={action} onClose={onNo}>
		<p>{text}</p>
		<div class="bar"><div class="end">
			<button type="button" onClick={onNo}>{t('cancel')}</button>
			<button type="button" class="danger" onClick={onYes}>{action}</button>
		</div></div>
	</Dialog>;
}

export function Qr({ text, label }: { text: string; label: string }) {
	const code = encode(text, { ecc: 'M', border: 3 });
	let path = '';
	code.data.forEach((row, y) => row.forEach((dark, x) => {
		if (dark)
			path += `M${x} ${y}h1v1h-1z`;
	}));
	return <svg class="qr" role="img" aria-label={label}
		viewBox={`0 0 ${code.size} ${code.size}`}
		shape-rendering="crispEdges">
		<rect width={code.size} height={code.size} fill="#fff" />
		<path d={path} fill="#000" />
	</svg>;
}

// To the clipboard; where the browser does not let us, the text is marked for
// the hand to do it.
export async function copyFrom(input: HTMLInputElement): Promise<boolean> {
	try {
		await navigator.clipboard.writeText(input.value);
		return true;
	} catch {
		input.focus();
		input.select();
		return document.execCommand?.('copy') ?? false;
	}
}

export function CopyField({ label, text }: { label: string; text: string }) {
	const input = useRef<HTMLInputElement>(null);
	const [said, say] = useState('');
	return <>
		<Field label={label}>
			<input ref={input} class="link" value={text} readOnly dir="ltr"
				onFocus={e => e.currentTarget.select()} />
		</Field>
		<div class="bar">
			<button type="button" class="primary" onClick={async () => {
				const done = input.current && await copyFrom(input.current);
				say(done ? t('copied') : t('copy_by_hand'));
			}}>{t('copy')}</button>
			<span role="status">{said}</span>
		</div>
	</>;
}

// A form that sends, says what went wrong, and is not sent twice.
export function Form({ onSend, children, fill = true }: {
	onSend: () => Promise<void>; children: ComponentChildren; fill?: boolean;
}) {
	const [error, say] = useState('');
	const [busy, setBusy] = useState(false);
	return <form class="stack" autocomplete={fill ? 'on' : 'off'} onSubmit={async e => {
		e.preventDefault();
		if (busy)
			return;
		setBusy(true);
		say('');
		try {
			await onSend();
		} catch (trouble) {
			say(words(trouble));
		}
		setBusy(false);
	}}>
		{children}
		<Alert text={error} />
	</form>;
}
