// The fields of a person, which users and one's own account have (F96).
import type { Person } from '../api';
import { t } from '../text';
import { Field } from './parts';

const fields: Array<[keyof Person, 'text' | 'email' | 'tel', string]> = [
	['salute', 'text', 'honorific-prefix'],
	['first_name', 'text', 'given-name'],
	['last_name', 'text', 'family-name'],
	['email', 'email', 'email'],
	['phone', 'tel', 'tel'],
	['institution', 'text', 'organization'],
	['department', 'text', 'off'],
];

export function personOf(p: Person): Person {
	const { salute, first_name, last_name, email, phone, institution,
		department } = p;
	return { salute, first_name, last_name, email, phone, institution,
		department };
}

// own: the browser may fill in the data of who sits before it.
export function PersonFields({ value, set, own }: {
	value: Person; set: (p: Person) => void; own: boolean;
}) {
	return <div class="fields">{fields.map(([name, type, fill]) =>
		<Field label={t(name)}>
			<input type={type} name={name} value={value[name]} maxLength={128}
				autocomplete={own ? fill : 'off'}
				dir={type === 'text' ? 'auto' : undefined}
				list={name === 'salute' ? 'salutes' : undefined}
				onInput={e => set({ ...value, [name]: e.currentTarget.value })} />
		</Field>)}
		<datalist id="salutes">
			{['Mr.', 'Mrs.', 'Ms.', 'Dr.', 'Prof.'].map(s =>
				<option value={s} />)}
		</datalist>
	</div>;
}

export function Password({ label, name, value, set, hint, fresh, required }: {
	label: string; name: string; value: string; set: (v: string) => void;
	hint?: preact.ComponentChildren; fresh: boolean; required: boolean;
}) {
	return <div>
		<label><span>{label}</span>
			<input type="password" name={name} value={value} required={required}
				minLength={fresh ? 8 : undefined} maxLength={1024}
				autocomplete={fresh ? 'new-password' : 'current-password'}
				onInput={e => set(e.currentTarget.value)} /></label>
		{hint}
	</div>;
}
