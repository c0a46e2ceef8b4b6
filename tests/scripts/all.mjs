// Runs the tests of several files in one process. The hooks of a file are only for its own tests.
import path from 'node:path'
import { describe } from 'node:test'
import { pathToFileURL } from 'node:url'

for (const file of process.argv.slice(2)) describe(path.basename(file), () => import(pathToFileURL(file)))
