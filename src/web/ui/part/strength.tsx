// A hint on how hard a password is to guess.
import { strength } from '../strength';
import { t } from '../text';

export function Strength({ text, name }: { text: string; name: string }) {
	const is = strength(text, name);
	return <small class="strength" role="status" data-is={is}>
		{t(`strength_${is}`)}</small>;
}
