// The rules of eslint for the scripts of actions and for their tests.
import { createRequire } from 'node:module'

const js = createRequire(new URL('../node/package.json', import.meta.url))('@eslint/js')
const names = ['Buffer', 'module', 'process', 'require', 'exports', 'setImmediate', 'setTimeout', 'URL']

export default [
  js.configs.recommended,
  {
    languageOptions: { globals: Object.fromEntries(names.map(name => [name, 'readonly'])) },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'array-callback-return': 'error',
      'eqeqeq': 'error',
      'no-template-curly-in-string': 'error',
      'no-unused-expressions': 'error',
      'no-unused-vars': ['error', { argsIgnorePattern: '^_$' }],
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
    },
  },
  {
    files: ['**/*.cjs'],
    languageOptions: { sourceType: 'commonjs' },
    rules: { 'max-lines': ['error', 300], 'no-shadow': 'error', 'require-await': 'error' },
  },
]
