// The portal: frame and places. See route.ts for how addresses are made.
import './app.css';
import { render, type ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Account } from './page/account';
import { ActivityPage } from './page/activity';
import { PatientPage } from './page/patient';
import { levelOf, Results } from './page/results';
import { StudyPage } from './page/study';
import { UploadPage } from './page/upload';
import { UserPage, Users } from './page/users';
import { Data, tell, Toast, words } from './part/parts';
import { place } from './route';
import { begin as beginState, leave, may, portal, session } from './state';
import { begin as beginText, t, type Key } from './text';

function Link({ to, here, children }:
	{ to: string; here: boolean; children: ComponentChildren }) {
	return <a href={'#' + to} aria-current={here ? 'page' : undefined}>
		{children}
	</a>;
}

// Where one begins, by what one may.
function home(): string {
	return may('search') ? 'studies' : may('upload') ? 'upload' :
		may('activity') ? 'activity' : 'account';
}

const whereabouts = (): string => place.value.parts[0] ?? home();

// Places that are not the search's.
const elsewhere = ['activity', 'users', 'account', 'upload'];

function Top({ first }: { first: string }) {
	const at = portal.value;
	const user = session.value?.user;
	const where = [at?.institution, at?.department].filter(n => n);
	const name = [user?.first_name, user?.last_name].filter(n => n).join(' ');
	return <header class="top">
		<a class="brand" href={'#/' + home()}>{t('product')}</a>
		<nav aria-label={t('main_menu')}>
			{may('search') && <Link to="/studies" here={
				!elsewhere.includes(first)}>{t('search')}</Link>}
			{may('upload') && <Link to="/upload" here={first === 'upload'}>
				{t('upload')}</Link>}
			{may('activity') && <Link to="/activity" here={first === 'activity'}>
				{t('activity')}</Link>}
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

// What the window is called: what it shows, but of nobody by name, since
// histories keep it.
const titles: { [first: string]: Key } = {
	study: 'study', patient: 'studies', upload: 'upload', users: 'users',
	activity: 'activity', account: 'my_account',
};

function Foot() {
	return <footer class="foot">
		<span>{t('client', { address: portal.value?.client ?? '' })}</span>
		<a href="/assets/licences.txt">{t('licences')}</a>
	</footer>;
}

function Place() {
	const { parts } = place.value;
	const second = parts[1];
	const first = whereabouts();
	if (first === 'upload' && may('upload'))
		return <UploadPage />;
	if (first === 'account')
		return <Account />;
	if (first === 'activity' && may('activity'))
		return <ActivityPage />;
	if (first === 'users' && may('users'))
		return second === undefined ? <Users /> :
			<UserPage key={parts.join('/')}
				name={second === 'new' && parts.length === 2 ? null : parts[2] ?? second} />;
	if (first === 'study' && second !== undefined)
		return <StudyPage key={second} uid={second} />;
	if (first === 'patient' && second !== undefined)
		return <PatientPage key={place.value.text} id={second}
			issuer={place.value.query.get('issuer') ?? ''}
			key_={Number(place.value.query.get('key') ?? 0)} />;
	const level = levelOf(first);
	if (level)
		return <Results level={level} />;
	return <main id="content" tabIndex={-1}><p>{t('not_found')}</p></main>;
}

function App() {
	const first = whereabouts();
	const before = useRef(first);
	// A new page is told to who listens: the focus goes to its content.
	useEffect(() => {
		document.title = `${t(titles[first] ?? 'search')} · ${t('product')}`;
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
