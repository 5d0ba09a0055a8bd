// My account: own data, password, second factor, API keys.
import { useEffect, useState } from 'preact/hooks';
import { ask, type ApiKey, type Session, type User } from '../api';
import { CopyField, Data, Field, Form, Qr, Sure, tell, words }
	from '../part/parts';
import { Password, PersonFields, personOf } from '../part/person';
import { Strength } from '../part/strength';
import { enter, session } from '../state';
import { moment, t } from '../text';

function changed(user: User): void {
	const now = session.value;
	if (now)
		enter({ ...now, user });
}

function OwnData({ user }: { user: User }) {
	const [person, set] = useState(personOf(user));
	return <section class="box"><h2>{t('own_data')}</h2>
		<Form onSend={async () => {
			changed(await ask<User>('PATCH', '/account', person));
			tell(t('saved'));
		}}>
			<PersonFields value={person} set={set} own />
			<div><button class="primary">{t('save')}</button></div>
		</Form>
	</section>;
}

// For keepers of passwords: whose it is.
function Whose({ name }: { name: string }) {
	return <input type="text" name="username" autocomplete="username" hidden
		value={name} readOnly />;
}

function ChangePassword({ user }: { user: User }) {
	const [old, setOld] = useState('');
	const [fresh, setFresh] = useState('');
	const [again, setAgain] = useState('');
	return <section class="box"><h2>{t('change_password')}</h2>
		<Form onSend={async () => {
			if (fresh !== again) {
				tell(t('not_the_same'));
				return;
			}
			enter(await ask<Session>('PUT', '/account/password',
				{ password: old, new: fresh }));
			setOld('');
			setFresh('');
			setAgain('');
			tell(t('password_changed'));
		}}>
			<Whose name={user.name} />
			<div class="fields">
				<Password label={t('old_password')} name="old" value={old}
					set={setOld} fresh={false} required />
				<Password label={t('next_password')} name="new" value={fresh}
					set={setFresh} fresh required
					hint={<Strength text={fresh} name={user.name} />} />
				<Password label={t('repeat_password')} name="again" value={again}
					set={setAgain} fresh required />
			</div>
			<div><button class="primary">{t('change_password')}</button></div>
		</Form>
	</section>;
}

function SecondFactor({ user }: { user: User }) {
	const [secret, setSecret] = useState<{ secret: string; url: string } | null>(
		null);
	const [password, setPassword] = useState('');
	const [code, setCode] = useState('');
	const begin = (): void => {
		ask<{ secret: string; url: string }>('POST', '/account/second_factor')
			.then(setSecret, e => tell(words(e)));
	};
	const turn = (on: boolean) => async (): Promise<void> => {
		await ask(on ? 'PUT' : 'DELETE', '/account/second_factor', on ?
			{ password, secret: secret?.secret, code: code.replace(/\s/g, '') } :
			{ password });
		setPassword('');
		setCode('');
		setSecret(null);
		changed({ ...user, second_factor: on });
		tell(t(on ? 'second_is_on' : 'second_is_off'));
	};
	// The app shows whose digits they are.
	const address = (url: string): string => url.replace(
		'otpauth://totp/Fileroom?',
		`otpauth://totp/Fileroom:${encodeURIComponent(user.name)}?`);
	const ownPassword = <Password label={t('old_password')} name="password"
		value={password} set={setPassword} fresh={false} required />;

	return <section class="box"><h2>{t('second_factor')}</h2>
		<p class="hint">{t('second_text')}</p>
		{user.second_factor && <Form onSend={turn(false)}>
			<p>{t('second_is_on')}</p>
			<Whose name={user.name} />
			<div class="fields">{ownPassword}</div>
			<div><button>{t('turn_off')}</button></div>
		</Form>}
		{!user.second_factor && !secret && <div>
			<button type="button" onClick={begin}>{t('set_up')}</button>
		</div>}
		{!user.second_factor && secret && <Form onSend={turn(true)}>
			<p>{t('second_scan')}</p>
			<Whose name={user.name} />
			<Qr text={address(secret.url)} label={t('second_qr')} />
			<p class="once" dir="ltr">{t('second_secret',
				{ secret: secret.secret.replace(/(.{4})(?=.)/g, '$1 ') })}</p>
			<div class="fields">
				<Field label={t('six_digits')}>
					<input name="code" value={code} required inputMode="numeric"
						maxLength={7} autocomplete="one-time-code" dir="ltr"
						onInput={e => setCode(e.currentTarget.value)} />
				</Field>
				{ownPassword}
			</div>
			<div class="bar">
				<button class="primary">{t('turn_on')}</button>
				<button type="button" onClick={() => setSecret(null)}>
					{t('cancel')}</button>
			</div>
		</Form>}
	</section>;
}

function Keys() {
	const [keys, setKeys] = useState<ApiKey[]>([]);
	const [name, setName] = useState('');
	const [made, setMade] = useState('');
	const [gone, setGone] = useState<ApiKey | null>(null);
	const load = (): Promise<void> => ask<{ keys: ApiKey[] }>('GET',
		'/account/keys').then(found => setKeys(found.keys));

	useEffect(() => { load().catch(e => tell(words(e))); }, []);

	return <section class="box"><h2>{t('keys')}</h2>
		<p class="hint">{t('keys_text')}</p>
		{keys.length === 0 ? <p>{t('no_keys')}</p> :
			<div class="scroll"><table>
				<thead><tr>
					<th scope="col">{t('key_name')}</th>
					<th scope="col">{t('created')}</th>
					<th scope="col">{t('used')}</th>
					<th scope="col"><span class="unseen">{t('actions')}</span></th>
				</tr></thead>
				<tbody>{keys.map(k => <tr key={k.id}>
					<td><Data>{k.name}</Data></td>
					<td class="date">{moment(k.created)}</td>
					<td class="date">{k.used ? moment(k.used) : t('never')}</td>
					<td><div class="acts"><button type="button" class="danger"
						aria-label={t('delete_key', { name: k.name })}
						onClick={() => setGone(k)}>{t('delete')}</button></div></td>
				</tr>)}</tbody>
			</table></div>}
		{made && <div class="notice stack">
			<p>{t('key_once')}</p>
			<CopyField label={t('keys')} text={made} />
		</div>}
		<Form onSend={async () => {
			const one = await ask<{ key: string }>('POST', '/account/keys',
				{ name });
			setMade(one.key);
			setName('');
			await load();
		}}>
			<div class="fields">
				<Field label={t('key_name')}>
					<input name="key" value={name} required maxLength={128}
						autocomplete="off" dir="auto"
						onInput={e => setName(e.currentTarget.value)} />
				</Field>
				<div class="bottom"><button>{t('add_key')}</button></div>
			</div>
		</Form>
		{gone && <Sure text={t('delete_key', { name: gone.name }) + '?'}
			action={t('delete')} onNo={() => setGone(null)} onYes={() => {
				ask('DELETE', `/account/keys/${gone.id}`).then(load)
					.catch(e => tell(words(e)));
				setGone(null);
			}} />}
	</section>;
}

export function Account() {
	const user = session.value?.user;
	if (!user)
		return null;
	return <main id="content" tabIndex={-1} class="narrow">
		<h1>{t('my_account')}: <Data>{user.name}</Data></h1>
		<OwnData user={user} />
		<ChangePassword user={user} />
		<SecondFactor user={user} />
		<Keys />
	</main>;
}
