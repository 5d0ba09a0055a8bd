// What the small pages (log in, first administrator, new password, a patient's
// study) do when scripts run. Each works without: as a plain form.
import { ask, Trouble, type Portal } from './api';
import { strength } from './strength';
import { begin, day, has, moment, t, time, translated, type Key } from
	'./text';

function all<T extends HTMLElement>(selector: string): T[] {
	return [...document.querySelectorAll<T>(selector)];
}

// data-text names the text that takes the place of the English one.
function translate(): void {
	for (const e of all('[data-text]')) {
		const key = e.dataset.text ?? '';
		if (has(key))
			e.textContent = t(key);
	}
	// The server says it in English, and to the point.
	for (const e of all('[data-error]')) {
		const key = `error_${e.dataset.error}`;
		if (translated() && has(key))
			e.textContent = t(key);
	}
	for (const e of all('[data-day]'))
		e.textContent = day(e.dataset.day ?? '');
	for (const e of all('[data-time]'))
		e.textContent = time(e.dataset.time ?? '');
	for (const e of all('[data-moment]'))
		e.textContent = moment(e.dataset.moment ?? '');
	for (const e of all('[data-title]')) {
		const key = e.dataset.title ?? '';
		if (has(key))
			document.title = `${t(key)} · ${t('product')}`;
	}
}

async function showPlace(): Promise<void> {
	const foot = document.querySelector('[data-place]');
	if (!foot)
		return;
	const portal = await ask<Portal>('GET', '/portal');
	const names = [portal.institution, portal.department].filter(n => n !== '');
	const where = document.createElement('bdi');
	where.textContent = names.join(' - ');
	const client = document.createElement('span');
	client.textContent = t('client', { address: portal.client });
	foot.replaceChildren(...(names.length ? [where, client] : [client]));
	for (const e of all('[data-setup]'))
		e.hidden = !portal.setup;
}

function say(form: HTMLFormElement, text: string): void {
	const at = form.querySelector<HTMLElement>('[role=alert]')!;
	at.textContent = text;
}

async function logIn(form: HTMLFormElement): Promise<void> {
	const code = form.querySelector<HTMLElement>('[data-code]')!;
	const digits = code.querySelector('input')!;
	const button = form.querySelector('button')!;
	const data = new FormData(form);
	const body: { [name: string]: string } = {
		username: String(data.get('username')),
		password: String(data.get('password')),
	};
	if (!code.hidden && digits.value !== '')
		body.code = digits.value.replace(/\s/g, '');
	say(form, '');
	button.disabled = true;
	try {
		await ask('POST', '/session', body);
		location.replace('/' + location.hash);
		return;
	} catch (e) {
		const trouble = e as Trouble;
		const key = `error_${trouble.code}`;
		if (trouble.code === 'second_factor' && code.hidden) {
			code.hidden = false;
			digits.required = true;
			digits.focus();
			say(form, t('error_second_factor'));
		} else {
			say(form, has(key) ? t(key as Key) : trouble.message);
		}
	}
	button.disabled = false;
}

function watchStrength(input: HTMLInputElement): void {
	const hint = document.createElement('small');
	hint.id = 'strength';
	hint.setAttribute('role', 'status');
	hint.className = 'strength';
	input.closest('label')!.after(hint);
	input.setAttribute('aria-describedby', hint.id);
	const show = (): void => {
		const name = document.querySelector<HTMLInputElement>(
			'input[autocomplete=username]');
		const is = strength(input.value, name?.value ?? '');
		hint.dataset.is = is;
		hint.textContent = t(`strength_${is}`);
	};
	input.addEventListener('input', show);
	show();
}

async function main(): Promise<void> {
	await begin();
	translate();
	for (const form of all<HTMLFormElement>('form[data-login]')) {
		form.querySelector<HTMLElement>('[data-code]')!.hidden = true;
		form.addEventListener('submit', e => {
			e.preventDefault();
			void logIn(form);
		});
	}
	all<HTMLInputElement>('input[autocomplete=new-password]')
		.forEach(watchStrength);
	await showPlace().catch(() => undefined);
}

void main();
