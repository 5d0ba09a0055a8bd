import { defineConfig } from 'vite';

// Every file has a hashed name under /assets, nothing is inlined (the pages'
// Content-Security-Policy allows no inline script or style), and the manifest
// tells the program what the server-made pages refer to.
export default defineConfig({
	base: '/',
	publicDir: false,
	esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
	build: {
		target: 'es2020',
		assetsInlineLimit: 0,
		modulePreload: { polyfill: false },
		manifest: true,
		rollupOptions: {
			input: ['index.html', 'login.html', 'page.ts', 'page.css'],
		},
	},
});
