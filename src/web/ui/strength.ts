// How hard a password is to guess: a hint, never a rule (F95). Counted in the
// bits that a guesser needs who knows words, years, rows of keys, and repeats.
const common = ['password', 'passwort', 'qwertz', 'qwerty', 'letmein',
	'welcome', 'admin', 'fileroom', 'dicom', 'pacs', 'radiology', 'hospital',
	'doctor', 'iloveyou', 'dragon', 'monkey', 'abc123', '123456', '12345678'];

export type Strength = 'none' | 'short' | 'weak' | 'fair' | 'good' | 'strong';

export function strength(text: string, name = ''): Strength {
	const n = [...text].length;
	if (n === 0)
		return 'none';
	if (n < 8)
		return 'short';
	let rest = text.toLowerCase();
	let bits = 0;
	for (const word of [...common, name.toLowerCase()])
		if (word.length > 2 && rest.includes(word)) {
			rest = rest.split(word).join('');
			bits += 8;
		}
	rest = rest.replace(/(19|20)\d\d/g, () => { bits += 6; return ''; });
	let pool = 0;
	if (/[a-z]/.test(rest))
		pool += 26;
	if (/[A-Z]/.test(text))
		pool += 20;
	if (/\d/.test(rest))
		pool += 10;
	if (/[^a-zA-Z0-9]/.test(rest))
		pool += 30;
	const each = Math.log2(Math.max(pool, 2));
	let before = 0;
	for (const letter of rest) {
		const code = letter.codePointAt(0)!;
		bits += Math.abs(code - before) <= 1 ? 1 : each * 0.75;
		before = code;
	}
	return bits < 32 ? 'weak' : bits < 48 ? 'fair' : bits < 64 ? 'good' : 'strong';
}
