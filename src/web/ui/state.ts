// Who is logged in, and where.
import { signal } from '@preact/signals';
import { ask, remember, whenEnded, type Portal, type Session } from './api';

export const session = signal<Session | null>(null);
export const portal = signal<Portal | null>(null);

export async function begin(): Promise<void> {
	// Back to where we are after logging in again.
	whenEnded(() => location.replace('/login' + location.hash));
	const [one, two] = await Promise.all([
		ask<Session>('GET', '/session'), ask<Portal>('GET', '/portal')]);
	enter(one);
	portal.value = two;
}

export function enter(one: Session): void {
	remember(one);
	session.value = one;
}

export function may(right: string): boolean {
	return session.value?.user.rights.includes(right) ?? false;
}

export async function leave(): Promise<void> {
	await ask('DELETE', '/session');
	location.replace('/login');
}
