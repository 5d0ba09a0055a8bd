// The portal: frame and places. See route.ts for how addresses are made.
import './app.css';
import { render, type ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Account } from './page/account';
import { PatientPage } from './page/patient';
import { levelOf, Results } from './page/results';
import { StudyPage } from './page/study';
import { UploadPage } from './page/upload';
import { UserPage, Users } from './page/users';
import { Data, tell, Toast, words } from './part/parts';
import { place } from './route';
import { begin as beginState, leave, may, portal, session } from './state';
import { begin as beginText, t } from './text';

function Link({ to, here, children }:
	{ to: string; here: boolean; children: ComponentChildren }) {
	return <a href={'#' + to} aria-current={here ? 'page' : undefined}>
		{children}
	</a>;
}

function Top({ first }: { first: string }) {
	const at = portal.value;
	const user = session.value?.user;
	const where = [at?.institution, at?.department].filter(n => n);
	const name = [user?.first_name, user?.last_name].filter(n => n).join(' ');
	return <header class="top">
		<a class="brand" href="#/studies">{t('product')}</a>
		<nav aria-label={t('main_menu')}>
			{may('search') && <Link to="/studies" here={
				!['users', 'account', 'upload'].includes(first)}>{t('search')}</Link>}
			{may('upload') && <Link to="/upload" here={first === 'upload'}>
				{t('upload')}</Link>}
			{may('users') && <Link to="/users" here={first === 'users'}>
				{t('users')}</Link>}
		</nav>
		<div class="where"><Data>{where.join(' - ')}</Data></div>
		<div class="who">
			<a href="#/account" title={t('my_account')}
				aria-current={first === 'account' ? 'page' : undefined}>
				<span class="unseen">{t('my_account')}: </span>
				<Data>{name || user?.name}</Data>
			</a>
			<button type="button" class="plain" onClick={() =>
				leave().catch(e => tell(words(e)))}>{t('log_out')}</button>
		</div>
	</header>;
}

function Foot() {
	return <footer class="foot">
		<span>{t('client', { address: portal.value?.client ?? '' })}</span>
		<a href="/assets/licences.txt">{t('licences')}</a>
	</footer>;
}

function Place() {
	const { parts } = place.value;
	const [first, second] = parts;
	if (may('upload') && (first === 'upload' ||
		(first === undefined && !may('search'))))
		return <UploadPage />;
	if (first === 'account' || (first === undefined && !may('search')))
		return <Account />;
	if (first === 'users' && may('users'))
		return second === undefined ? <Users /> :
			<UserPage key={parts.join('/')}
				name={second === 'new' && parts.length === 2 ? null : parts[2] ?? second} />;
	if (first === 'study' && second !== undefined)
		return <StudyPage key={second} uid={second} />;
	if (first === 'patient' && second !== undefined)
		return <PatientPage key={place.value.text} id={second}
			issuer={place.value.query.get('issuer') ?? ''} />;
	const level = levelOf(first);
	if (level)
		return <Results level={level} />;
	return <main id="content" tabIndex={-1}><p>{t('not_found')}</p></main>;
}

function App() {
	const first = place.value.parts[0] ?? '';
	const before = useRef(first);
	// A new page is told to who listens: the focus goes to its content.
	useEffect(() => {
		if (before.current !== first)
			document.getElementById('content')?.focus();
		before.current = first;
	}, [first]);
	return <>
		<a class="skip" href="#content" onClick={e => {
			e.preventDefault();
			document.getElementById('content')?.focus();
		}}>{t('skip')}</a>
		<Top first={first} />
		<Place />
		<Foot />
		<Toast />
	</>;
}

async function main(): Promise<void> {
	const at = document.getElementById('app')!;
	await beginText();
	document.title = t('product');
	try {
		await beginState();
	} catch (e) {
		render(<main id="content"><p role="alert" class="alert">{words(e)}</p>
			<div><button type="button" onClick={() => location.reload()}>
				{t('try_again')}</button></div></main>, at);
		return;
	}
	render(<App />, at);
}

void main();
