// Handing a study's link over: copied, as a QR code, or on a sheet of paper
// (F82, F83).
import { createPortal } from 'preact/compat';
import { useEffect, useState } from 'preact/hooks';
import { ask, part, type Study, type Token } from '../api';
import { portal } from '../state';
import { day, moment, t } from '../text';
import { Alert, CopyField, Data, Dialog, Qr, Sure, words } from './parts';

// What is known of the link: until when it opens, how often it was opened.
function State({ token }: { token: Token }) {
	const lines: string[] = [];
	if (!token.open)
		lines.push(t('link_closed'));
	else
		lines.push(token.until === '' ? t('link_always') :
			t('link_until', { date: moment(token.until) }));
	lines.push(token.opens === 0 ? t('link_not_opened') :
		t('link_opened', { n: token.opens, date: moment(token.opened) }));
	return <>{lines.map(l => <p class="hint">{l}</p>)}</>;
}

function Sheet({ study, url }: { study: Study; url: string }) {
	const where = [portal.value?.institution, portal.value?.department];
	return createPortal(<section class="sheet" aria-hidden="true">
		<p><Data>{where.filter(w => w).join(' - ')}</Data></p>
		<h1>{t('sheet_title')}</h1>
		<p><strong><Data>{study.patient_name}</Data></strong><br />
			<Data>{study.description}</Data> {day(study.date)}</p>
		<Qr text={url} label={t('qr_code')} />
		<p class="once" dir="ltr">{url}</p>
		<ol>
			<li>{t('sheet_1')}</li>
			<li>{t('sheet_2')}</li>
			<li>{t('sheet_3')}</li>
		</ol>
		<p>{t('sheet_keep')}</p>
	</section>, document.body);
}

export function Share({ study, onClose }: { study: Study; onClose: () => void }) {
	const [token, setToken] = useState<Token | null>(null);
	const [error, say] = useState('');
	const [sure, ask_sure] = useState(false);
	const path = `/studies/${part(study.uid)}/token`;

	useEffect(() => {
		ask<Token>('GET', path).then(setToken, e => say(words(e)));
	}, [path]);

	const print = (): void => {
		document.body.classList.add('printing');
		addEventListener('afterprint', () =>
			document.body.classList.remove('printing'), { once: true });
		window.print();
	};
	const revoke = async (): Promise<void> => {
		ask_sure(false);
		try {
			await ask('DELETE', path);
			setToken(null);
			say(t('revoked'));
		} catch (e) {
			say(words(e));
		}
	};

	return <Dialog title={t('share_title')} onClose={onClose}>
		<p><strong><Data>{study.patient_name || study.patient_id}</Data></strong>
			{[study.description, day(study.date)].filter(x => x).map(x =>
				<>{' · '}<Data>{x}</Data></>)}</p>
		<p class="hint">{t('share_text')}</p>
		<Alert text={error} />
		{token && <>
			<CopyField label={t('patient_link')} text={token.url} />
			<div class="middle"><Qr text={token.url} label={t('qr_code')} /></div>
			<State token={token} />
			<Sheet study={study} url={token.url} />
		</>}
		<div class="bar">
			{token && <>
				<button type="button" onClick={print}>{t('print')}</button>
				<button type="button" class="danger" onClick={() => ask_sure(true)}>
					{t('revoke')}</button>
			</>}
			<div class="end">
				<button type="button" onClick={onClose}>{t('close')}</button>
			</div>
		</div>
		{sure && <Sure text={t('revoke_sure')} action={t('revoke')}
			onYes={() => void revoke()} onNo={() => ask_sure(false)} />}
	</Dialog>;
}
