// @ts-check
// Tells which commits belong to an environment, and whose runs can be believed.
const api = require('./api.cjs')

const PAGES_OF_HISTORY = 20 // of 100 commits each

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
 * `refs` says which branches or tags are the environment's, as a regular expression over full names.
 * @param {{github: any, context: any, core: any, refs: string}} options
 */
function of({ github, context, core, refs }) {
  const { read, pages } = api({ github, core })
  const { id, default_branch } = context.payload.repository
  const isTag = refs.startsWith('^refs/tags/')

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

  /** The branches or tags of the environment. */
  const own = once(async () => {
    // The text in front of the first special character, and of one that `?`, `+` or `*` repeats.
    const prefix = refs.replace('^refs/', '').replace(/(.[*+?{]|[^\w/-]).*$/, '')
    return (await (isTag ? tags('') : branches(prefix))).filter(({ ref }) => new RegExp(refs).test(ref))
  })

  /** The default branch's newest commit. */
  const newestOfDefault = once(async () => {
    const full = `refs/heads/${default_branch}`
    return (await branches(`heads/${default_branch}`)).find(({ ref }) => ref === full)?.sha
  })

  /**
   * Whether a commit is what a branch was at some time: only such a commit has been reviewed. What a
   * pull request was made of also lies in the history of a branch, behind a second parent.
   * @param {string} newest the branch's newest commit; by its SHA, because a tag may have the branch's name
   * @param {string} sha
   */
  async function wasTip(newest, sha) {
    let next = newest
    for (let page = 0; page < PAGES_OF_HISTORY; page++) {
      if (next === sha) return true
      const { data } = await read('GET /repos/{owner}/{repo}/commits', { ...context.repo, sha: next, per_page: 100 })
      const parents = new Map(data.map((/** @type {any} */ commit) => [commit.sha, commit.parents[0]?.sha]))
      while (parents.has(next)) {
        if (next === sha) return true
        next = parents.get(next)
      }
      if (!next) return false
    }
    return false
  }

  const onDefault = once(async sha => {
    const newest = await newestOfDefault('')
    return newest !== undefined && wasTip(newest, sha)
  })

  /** Whether a branch of the environment was at a commit, or a tag of it is, on the default branch. */
  const belongs = once(async sha => {
    const found = await own('')
    if (isTag) return found.some(tag => tag.sha === sha) && onDefault(sha)
    for (const branch of found) {
      if (await wasTip(branch.sha, sha)) return true
    }
    return false
  })

  /**
   * Whether one commit lies in the history of another one.
   * @param {string} older
   * @param {string} newer
   */
  async function isBefore(older, newer) {
    try {
      const { data } = await read('GET /repos/{owner}/{repo}/compare/{basehead}', { ...context.repo, basehead: `${older}...${newer}`, per_page: 1 })
      return data.status === 'ahead'
    } catch (error) {
      if (/** @type {import('./api.cjs').ApiError} */ (error).status === 404) return false // one of them is gone
      throw error
    }
  }

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
    return await belongs(run.head_sha) || onDefault(run.head_sha)
  }

  return { belongs, isBefore, reviewed }
}

module.exports = { titled, of }
