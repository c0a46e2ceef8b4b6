// @ts-check
// Tells which commits belong to an environment, and whose runs can be believed.
const api = require('./api.cjs')

/**
 * The commit that the title of one of our runs names, if it names one.
 * @param {string | undefined} title
 */
const titled = title => title?.match(/^Deploy ([0-9a-f]{40}) to /)?.[1]

/**
 * Answers the same question once.
 * @template Answer
 * @param {(question: string) => Promise<Answer>} ask
 * @returns {(question: string) => Promise<Answer>}
 */
function once(ask) {
  /** @type {Map<string, Promise<Answer>>} */
  const answers = new Map()
  return question => {
    const answer = answers.get(question) ?? ask(question)
    answers.set(question, answer)
    return answer
  }
}

/**
 * `commit` is one that is known to belong to the environment; `refs` says which branches or tags are
 * the environment's, as a regular expression over full names.
 * @param {{github: any, context: any, core: any, commit: string, refs: string}} options
 */
function of({ github, context, core, commit, refs }) {
  const { read, pages } = api({ github, core })
  const { id, default_branch } = context.payload.repository

  /** The branches whose full names begin so, each with its newest commit. */
  const branches = once(prefix => {
    const found = pages('GET /repos/{owner}/{repo}/git/matching-refs/{ref}', { ...context.repo, ref: prefix })
    return Array.fromAsync(found, ({ ref, object }) => ({ ref, sha: object.sha }))
  })

  /** The tags, each with its commit. */
  const tags = once(() => {
    const found = pages('GET /repos/{owner}/{repo}/tags', context.repo)
    return Array.fromAsync(found, tag => ({ ref: `refs/tags/${tag.name}`, sha: tag.commit.sha }))
  })

  /**
   * Whether a branch holds a commit. By the branch's newest commit: a tag may have its name.
   * @param {string} newest
   * @param {string} sha
   */
  async function holds(newest, sha) {
    try {
      const { data } = await read('GET /repos/{owner}/{repo}/compare/{basehead}', {
        ...context.repo, basehead: `${sha}...${newest}`, per_page: 1,
      })
      return ['ahead', 'identical'].includes(data.status)
    } catch (error) {
      if (/** @type {import('./api.cjs').ApiError} */ (error).status === 404) return false // there is no such commit
      throw error
    }
  }

  /** Whether a branch of the environment holds a commit, or a tag of the environment is at it. */
  const belongs = once(async sha => {
    const isTag = refs.startsWith('^refs/tags/')
    // The text in front of the first special character, and of one that `?`, `+` or `*` repeats.
    const prefix = refs.replace('^refs/', '').replace(/(.[*+?{]|[^\w/-]).*$/, '')
    const found = (await (isTag ? tags('') : branches(prefix))).filter(({ ref }) => refs && new RegExp(refs).test(ref))
    if (found.some(ref => ref.sha === sha)) return true
    for (const ref of isTag ? [] : found) {
      if (await holds(ref.sha, sha)) return true
    }
    return false
  })

  /** Whether the default branch holds a commit. */
  const isOnDefaultBranch = once(async sha => {
    const full = `refs/heads/${default_branch}`
    const branch = (await branches(`heads/${default_branch}`)).find(({ ref }) => ref === full)
    return branch !== undefined && holds(branch.sha, sha)
  })

  /**
   * Whether somebody has reviewed what a run ran. A run is as good as its workflow file, and that of
   * a feature branch says what it likes: any title, any package. After `workflow_run` the file is
   * always the default branch's.
   * @param {{event: string, head_sha: string, head_repository?: {id: number} | null}} run
   */
  async function reviewed(run) {
    if (run.head_repository?.id !== id) return false
    if (run.event === 'workflow_run') return true
    if (!['push', 'workflow_dispatch'].includes(run.event)) return false
    return run.head_sha === commit || await belongs(run.head_sha) || isOnDefaultBranch(run.head_sha)
  }

  return { belongs, reviewed }
}

module.exports = { titled, of }
