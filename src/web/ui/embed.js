// Puts the built files into C: a table (bundle.c), and the bytes of all, plain
// and compressed, one behind the other (bundle.bin, taken in by bundle.S).
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync, existsSync } from 'node:fs';
import { extname, join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const [, , from, to] = process.argv;
const types = {
	'.html': 'text/html; charset=utf-8',
	'.js': 'text/javascript; charset=utf-8',
	'.css': 'text/css; charset=utf-8',
	'.svg': 'image/svg+xml',
	'.txt': 'text/plain; charset=utf-8',
};

// The licences of what is in the files.
function licences() {
	const own = JSON.parse(readFileSync('package.json', 'utf8'));
	const names = [...Object.keys(own.dependencies), '@preact/signals-core'];
	return names.sort().map(name => {
		const dir = join('node_modules', name);
		const file = readdirSync(dir).find(f => /^licen[cs]e/i.test(f));
		if (!file)
			throw new Error(`${name} has no licence`);
		return `${name}\n\n${readFileSync(join(dir, file), 'utf8')}`;
	}).join('\n' + '-'.repeat(72) + '\n');
}

const manifest = JSON.parse(
	readFileSync(join(from, '.vite/manifest.json'), 'utf8'));
const sources = new Map();
for (const [source, entry] of Object.entries(manifest))
	if (!source.startsWith('_') && !source.endsWith('.html'))
		sources.set(entry.file, source);

const files = readdirSync(from, { recursive: true, withFileTypes: true })
	.filter(f => f.isFile() && !(f.parentPath ?? f.path).includes('.vite'))
	.map(f => join(f.parentPath ?? f.path, f.name).slice(from.length + 1))
	.sort()
	.map(path => ({ path, bytes: readFileSync(join(from, path)) }));
files.push({ path: 'assets/licences.txt', bytes: Buffer.from(licences()) });

const blocks = [];
let at = 0;
function add(bytes) {
	const place = { at, n: bytes.length };
	blocks.push(bytes);
	at += bytes.length;
	return place;
}

const rows = files.map(({ path, bytes }) => {
	const type = types[extname(path)];
	if (!type)
		throw new Error(`${path}: of what type is this?`);
	const smaller = coded =>
		add(coded.length < bytes.length * 0.95 ? coded : Buffer.alloc(0));
	const coded = [
		add(bytes),
		smaller(gzipSync(bytes, { level: 9 })),
		smaller(brotliCompressSync(bytes, { params: {
			[constants.BROTLI_PARAM_QUALITY]: 11,
			[constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
		} })),
	];
	const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 24);
	const q = JSON.stringify;
	return `\t{${q(path.replace(/^assets\//, ''))}, ${q('/' + path)}, ` +
		`${q(sources.get(path) ?? '')}, ${q(type)}, ${q(`"${hash}"`)},\n\t    {` +
		coded.map(c => `{${c.at}, ${c.n}}`).join(', ') + '}},';
});

writeFileSync(join(to, 'bundle.bin'), Buffer.concat(blocks));
writeFileSync(join(to, 'bundle.S'),
	`/* Made by tools/ui. */
	.section .rodata
	.balign 16
	.globl asset_bytes
	.type asset_bytes, @object
asset_bytes:
	.incbin "${join(to, 'bundle.bin')}"
	.size asset_bytes, . - asset_bytes
	.section .note.GNU-stack, "", @progbits
`);
writeFileSync(join(to, 'bundle.c'),
	`/* Made by tools/ui. */
#include "web/page/asset.h"

const struct asset asset_table[] = {
${rows.join('\n')}
};

const size_t asset_count = ARRAY_LEN(asset_table);
`);
