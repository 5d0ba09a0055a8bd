// Users: the list, and all that can be done with one (F94-F99).
import { useEffect, useState } from 'preact/hooks';
import { ask, part, type User } from '../api';
import { Alert, CopyField, Data, Dialog, Field, Form, Sure, tell, Tick, words }
	from '../part/parts';
import { Password, PersonFields, personOf } from '../part/person';
import { Cell, Head, Text, walk } from '../part/rows';
import { Strength } from '../part/strength';
import { go } from '../route';
import { session } from '../state';
import { has, moment, t, type Key } from '../text';

const rights = ['search', 'download', 'share', 'upload', 'send', 'retrieve',
	'edit', 'delete', 'worklist', 'activity', 'settings', 'users'];

const userAddress = (name: string): string => `/users/edit/${part(name)}`;

export function Users() {
	const [users, setUsers] = useState<User[] | null>(null);
	const [error, say] = useState('');

	useEffect(() => {
		ask<{ users: User[] }>('GET', '/users')
			.then(found => setUsers(found.users), e => say(words(e)));
	}, []);

	return <main id="content" tabIndex={-1}>
		<div class="bar">
			<h1>{t('users')}</h1>
			<div class="end">
				<a class="button primary" href="#/users/new">{t('add_user')}</a>
			</div>
		</div>
		<Alert text={error} />
		{!users && !error && <p role="status">{t('loading')}</p>}
		{users && <section class="box over"><div class="scroll">
			<table role="table" class="cards" aria-label={t('users')}>
				<thead role="rowgroup"><tr role="row">
					<Head label="user_name" />
					<Head label="full_name" />
					<Head label="role" />
					<Head label="email" />
					<Head label="phone" />
					<Head label="institution" />
					<Head label="second_factor" />
					<Head label="last_login" />
				</tr></thead>
				<tbody role="rowgroup" onKeyDown={walk}>{users.map(u =>
					<tr role="row" key={u.name}>
						<Cell kind="title">
							<a class="name" href={'#' + userAddress(u.name)}>
								<Data>{u.name}</Data></a>
							{!u.active && <>{' '}<span class="tag off">
								{t('inactive')}</span></>}
						</Cell>
						<Text label="full_name" value={[u.salute, u.first_name,
							u.last_name].filter(n => n).join(' ')} />
						<Cell label="role">{t(`role_${u.role}`)}</Cell>
						<Text label="email" value={u.email} />
						<Text label="phone" value={u.phone} />
						<Text label="institution" value={[u.institution,
							u.department].filter(n => n).join(' - ')} />
						<Cell label="second_factor">
							{t(u.second_factor ? 'on' : 'off')}</Cell>
						<Cell label="last_login" kind="date">
							{u.login ? moment(u.login) : t('never')}</Cell>
					</tr>)}</tbody>
			</table>
		</div></section>}
	</main>;
}

const blank: User = {
	name: '', role: 'user', active: true,
	rights: ['search', 'download', 'share'],
	salute: '', first_name: '', last_name: '', email: '', phone: '',
	institution: '', department: '', only_institution: '', only_referring: '',
	only_modality: '', only_own: false, second_factor: false, created: '',
	login: '',
};

function Access({ user, set }: { user: User; set: (u: User) => void }) {
	const me = session.value?.user;
	const admin = user.role === 'admin';
	return <section class="box"><fieldset><legend>{t('access')}</legend>
		<div class="fields">
			<Field label={t('role')}>
				<select name="role" value={user.role} disabled={me?.role !== 'admin'}
					onChange={e => set({ ...user,
						role: e.currentTarget.value as User['role'] })}>
					<option value="user">{t('role_user')}</option>
					<option value="admin">{t('role_admin')}</option>
				</select>
			</Field>
			<div>
				<Tick label={t('is_active')} checked={user.active}
					onChange={on => set({ ...user, active: on })} />
				<small>{t('is_active_hint')}</small>
			</div>
		</div></fieldset>
		<fieldset><legend>{t('rights')}</legend>
			{admin ? <p class="hint">{t('rights_admin')}</p> :
				<div class="ticks">{rights.map(r => {
					const key = `right_${r}`;
					return <Tick label={has(key) ? t(key as Key) : r}
						checked={user.rights.includes(r)}
						disabled={!me?.rights.includes(r)}
						onChange={on => set({ ...user, rights: on ?
							[...user.rights, r] :
							user.rights.filter(x => x !== r) })} />;
				})}</div>}
		</fieldset></section>;
}

function Limits({ user, set }: { user: User; set: (u: User) => void }) {
	const text = (name: 'only_institution' | 'only_referring' |
		'only_modality') => <Field label={t(name)}>
		<input name={name} value={user[name]} maxLength={128} dir="auto"
			onInput={e => set({ ...user, [name]: e.currentTarget.value })} />
	</Field>;
	return <section class="box"><fieldset><legend>{t('limits')}</legend>
		<p class="hint">{t('limits_hint')}</p>
		<div class="fields">
			{text('only_institution')}
			{text('only_referring')}
			{text('only_modality')}
		</div>
		<Tick label={t('only_own')} checked={user.only_own}
			onChange={on => set({ ...user, only_own: on })} />
	</fieldset></section>;
}

// What is done at once, not with Save.
function Deeds({ user, changed }: { user: User; changed: (u: User) => void }) {
	const [reset, setReset] = useState<{ url: string; until: string } | null>(
		null);
	const [sure, setSure] = useState(false);
	const path = `/users/${part(user.name)}`;
	const run = (deed: () => Promise<void>) => () => {
		deed().catch(e => tell(words(e)));
	};
	return <section class="box"><div class="bar">
		<button type="button" onClick={run(async () =>
			setReset(await ask('POST', `${path}/reset`)))}>
			{t('reset_link')}</button>
		{user.second_factor && <button type="button" onClick={run(async () => {
			await ask('DELETE', `${path}/second_factor`);
			changed({ ...user, second_factor: false });
			tell(t('second_dropped'));
		})}>{t('drop_second')}</button>}
		<div class="end"><button type="button" class="danger"
			onClick={() => setSure(true)}>{t('delete_user')}</button></div>
	</div>
	{reset && <Dialog title={t('reset_link')} onClose={() => setReset(null)}>
		<p>{t('reset_text', { date: moment(reset.until), name: user.name })}</p>
		<CopyField label={t('reset_link')} text={reset.url} />
		<div class="bar"><div class="end"><button type="button"
			onClick={() => setReset(null)}>{t('close')}</button></div></div>
	</Dialog>}
	{sure && <Sure text={t('delete_sure', { name: user.name })}
		action={t('delete_user')} onNo={() => setSure(false)}
		onYes={run(async () => {
			setSure(false);
			await ask('DELETE', path);
			tell(t('deleted'));
			go('/users');
		})} />}
	</section>;
}

export function UserPage({ name }: { name: string | null }) {
	const [user, set] = useState<User | null>(name === null ? blank : null);
	const [password, setPassword] = useState('');
	const [error, say] = useState('');

	useEffect(() => {
		if (name !== null)
			ask<User>('GET', `/users/${part(name)}`)
				.then(set, e => say(words(e)));
	}, [name]);

	const save = async (): Promise<void> => {
		if (!user)
			return;
		const fields = {
			...personOf(user), role: user.role, active: user.active,
			only_own: user.only_own, only_institution: user.only_institution,
			only_referring: user.only_referring,
			only_modality: user.only_modality,
			...(user.role === 'admin' ? {} : { rights: user.rights }),
		};
		if (name === null) {
			const made = await ask<User>('POST', '/users', { name: user.name,
				...fields, ...(password ? { password } : {}) });
			tell(t('saved'));
			go(userAddress(made.name), true);
			return;
		}
		const now = await ask<User>('PATCH', `/users/${part(name)}`,
			{ name: user.name, ...fields });
		set(now);
		if (password !== '') {
			await ask('PUT', `/users/${part(now.name)}/password`, { password });
			setPassword('');
		}
		tell(t('saved'));
		if (now.name !== name)
			go(userAddress(now.name), true);
	};

	return <main id="content" tabIndex={-1} class="narrow">
		<div class="bar"><a href="#/users">{t('users')}</a></div>
		<h1><Data>{name === null ? t('new_user') :
			t('edit_user', { name })}</Data></h1>
		<Alert text={error} />
		{user && <Form onSend={save} fill={false}>
			<section class="box"><fieldset><legend>{t('person')}</legend>
				<div class="fields">
					<Field label={t('user_name')}>
						<input name="name" value={user.name} required maxLength={64}
							dir="auto" autocapitalize="none" spellcheck={false} autocomplete="off"
							onInput={e => set({ ...user,
								name: e.currentTarget.value })} />
					</Field>
					<Password fresh required={false} name="password"
						label={t(name === null ? 'password' : 'set_password')}
						value={password} set={setPassword}
						hint={password === '' ?
							<small>{name === null ? t('password_empty') : ''}</small> :
							<Strength text={password} name={user.name} />} />
				</div></fieldset>
				<PersonFields value={user} own={false}
					set={p => set({ ...user, ...p })} />
			</section>
			<Access user={user} set={set} />
			<Limits user={user} set={set} />
			<div class="bar">
				<button class="primary">{t('save')}</button>
				<a class="button" href="#/users">{t('cancel')}</a>
				{user.created && <small>{t('created')}: {moment(user.created)}
					{' · '}{t('last_login')}: {user.login ? moment(user.login) :
						t('never')}</small>}
			</div>
		</Form>}
		{user && name !== null && <Deeds user={{ ...user, name }}
			changed={u => set({ ...u, name: user.name })} />}
	</main>;
}
