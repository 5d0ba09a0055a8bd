// The reports of a study, which came as HL7: text to be read here, a PDF to be
// opened or saved. Where there is none, nothing is shown.
import { useEffect, useState } from 'preact/hooks';
import { ask, askText, part, type Report } from '../api';
import { has, moment, t, type Key } from '../text';
import { Alert, Data, words } from './parts';

// OBR-25, HL7 table 0123; what has no word of ours is shown as it is.
function Status({ code }: { code: string }) {
	if (code === '')
		return null;
	const key = `report_${code.toUpperCase()}`;
	const sure = ['F', 'C'].includes(code.toUpperCase());
	return <span class={sure ? 'tag' : 'tag warn'}>
		{code.length === 1 && has(key) ? t(key as Key) : <Data>{code}</Data>}
	</span>;
}

function Text({ path, name }: { path: string; name: string }) {
	const [text, set] = useState<string | null>(null);
	const [error, say] = useState('');

	useEffect(() => {
		const stop = new AbortController();
		askText(path + '?form=text', stop.signal)
			.then(set, e => stop.signal.aborted || say(words(e)));
		return () => stop.abort();
	}, [path]);

	return <>
		<Alert text={error} />
		{text === null ? !error && <p role="status">{t('loading')}</p> :
			// Long ones are moved within, also with the keys.
			<pre class="report" role="region" tabIndex={0} dir="auto"
				aria-label={`${t('report_text')}: ${name}`}>{text}</pre>}
	</>;
}

function One({ report, path, begin }: {
	report: Report; path: string; begin: boolean;
}) {
	const [open, show] = useState(
		begin && report.text_bytes > 0 && !report.other_patient);
	const name = report.title || t('report');
	const source = [report.application, report.facility].filter(x => x)
		.join(', ');
	return <article class="stack">
		<div class="bar">
			<div>
				<h3><Data>{name}</Data> <Status code={report.status} /></h3>
				<p class="hint"><Data>{moment(report.received)}</Data>
					{source && <>{' · '}<Data>
						{t('report_from', { source })}</Data></>}</p>
			</div>
			<div class="end">
				{report.text_bytes > 0 && <button type="button"
					aria-expanded={open}
					aria-label={`${t(open ? 'hide_text' : 'show_text')}: ${name}`}
					onClick={() => show(!open)}>
					{t(open ? 'hide_text' : 'show_text')}</button>}
				{report.pdf_bytes > 0 && <>
					<a class="button" target="_blank" rel="noopener"
						href={`/api/v1${path}?form=view`}
						aria-label={`${t('open_pdf')}: ${name}`}>
						{t('open_pdf')}</a>
					<a class="button" download=""
						href={`/api/v1${path}?form=pdf`}
						aria-label={`${t('save_pdf')}: ${name}`}>
						{t('save_pdf')}</a>
				</>}
			</div>
		</div>
		{report.other_patient && <Alert
			text={t('report_other_patient', { id: report.other_patient })} />}
		{open && <Text path={path} name={name} />}
	</article>;
}

export function Reports({ study }: { study: string }) {
	const [reports, set] = useState<Report[]>([]);
	const [error, say] = useState('');
	const path = `/studies/${part(study)}/reports`;

	useEffect(() => {
		const stop = new AbortController();
		ask<{ reports: Report[] }>('GET', path, undefined, stop.signal)
			.then(found => set(found.reports),
				e => stop.signal.aborted || say(words(e)));
		return () => stop.abort();
	}, [path]);

	if (reports.length === 0)
		return error ? <Alert text={error} /> : null;
	return <section class="box reports" aria-labelledby="reports-title">
		<h2 id="reports-title">{t('reports')}</h2>
		{reports.map((r, i) => <One key={r.id} report={r} begin={i === 0}
			path={`${path}/${r.id}`} />)}
	</section>;
}
