// Bundles the editor into one file, and the licences of all that went into it into another.
import { build } from 'esbuild'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const out = resolve(here, '../../src/p2pstack/apps/doc/page/static')

const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: ['src/editor.js'],
  outfile: join(out, 'editor.js'),
  bundle: true,
  minify: true,
  charset: 'utf8',
  format: 'iife',
  target: 'es2022',
  legalComments: 'none',
  banner: { js: '/* The licences of what this was built from are in LICENSES.txt beside it. */' },
  metafile: true
})

const packages = new Set()
for (const input of Object.keys(metafile.inputs)) {
  const found = input.match(/^.*node_modules\/((?:@[^/]+\/)?[^/]+)/)
  if (found) packages.add(found[0])
}
let text = 'editor.js was built from these packages, each under the licence that follows it.\n'
for (const folder of [...packages].sort()) {
  const about = JSON.parse(readFileSync(join(here, folder, 'package.json'), 'utf8'))
  const file = readdirSync(join(here, folder)).find(name => /^licen[cs]e/i.test(name))
  if (!file) throw new Error(`${about.name} comes without its licence`)
  const licence = readFileSync(join(here, folder, file), 'utf8').trim().replace(/[ \t\r]+$/gm, '')
  text += `\n${'-'.repeat(80)}\n${about.name} ${about.version} (${about.license})\n\n${licence}\n`
}
writeFileSync(join(out, 'LICENSES.txt'), text)
if (!existsSync(join(out, 'editor.js'))) throw new Error('nothing was built')
