// @ts-check
// Tells which commits belong to an environment, and whose runs can be believed.
const api = require('./api.cjs')

const PAGES_OF_HISTORY = 50 // of 100 commits each
const ANY_BRANCH = '^refs/heads/.*$' // where persons start the environment

/**
 * The commit that the title of one of our runs names, if it names one.
 * @param {string | undefined} title
 */
const titled = title => title?.match(/^Deploy ([0-9a-f]{40}) to /)?.[1]

/**
 * The commit of a run that an event has started. After `workflow_run`, the run before says it in its
 * title, and context.sha is the default branch's newest.
 * @param {any} context
 * @returns {string | undefined}
 */
const started = ({ payload, sha }) => payload.workflow_run ? titled(payload.workflow_run.display_title) : sha

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
  const { repository: { id, default_branch }, workflow_run } = context.payload
  const main = `refs/heads/${default_branch}`
  const isTag = refs.startsWith('^refs/tags/')
  /** @param {string} ref */
  const isOwn = ref => new RegExp(refs).test(ref)

  /** The branches whose full names begin so, each with its newest commit. */
  const branches = once(async prefix => {
    /** @type {Map<string, string>} */
    const found = new Map()
    for await (const { ref, object } of pages('GET /repos/{owner}/{repo}/git/matching-refs/{ref}', { ...context.repo, ref: prefix })) {
      found.set(ref, object.sha)
    }
    return found
  })

  /** The branches of the environment. */
  async function own() {
    // The text in front of the first special character, and of one that `?`, `+` or `*` repeats.
    const prefix = refs.replace('^refs/', '').replace(/(.[*+?{]|[^\w/-]).*$/, '')
    return [...await branches(prefix)].filter(([ref]) => isOwn(ref))
  }

  /** Whether a tag of the environment is at a commit. The newest tags come first. */
  const isTagged = once(async sha => {
    for await (const { name, commit } of pages('GET /repos/{owner}/{repo}/tags', context.repo)) {
      if (commit.sha === sha && isOwn(`refs/tags/${name}`)) return true
    }
    return false
  })

  /** Whether a commit lies in the history of another one: "older...newer". */
  const isBefore = once(async basehead => {
    try {
      const { data } = await read('GET /repos/{owner}/{repo}/compare/{basehead}', { ...context.repo, basehead, per_page: 1 })
      return data.status === 'ahead'
    } catch (error) {
      if (/** @type {import('./api.cjs').ApiError} */ (error).status === 404) return false // one of them is gone
      throw error
    }
  })

  /** When each commit was made. @type {Map<string, string | undefined>} */
  const dates = new Map()

  /**
   * What a branch was at, the newest first, as far as it was read. Only that was reviewed: what a pull
   * request was made of lies behind a second parent.
   * @typedef {{commits: Set<string>, last: string | undefined, pages: number}} Line
   */
  /** The lines of branches by their newest commits, because a tag may have a branch's name. @type {Map<string, Line>} */
  const lines = new Map()

  /** @param {Line} line */
  async function readOn(line) {
    const { data } = await read('GET /repos/{owner}/{repo}/commits', { ...context.repo, sha: line.last, per_page: 100 })
    const listed = new Map(data.map((/** @type {any} */ commit) => [commit.sha, commit]))
    for (let shown; (shown = listed.get(line.last)); line.last = shown.parents[0]?.sha) {
      dates.set(shown.sha, shown.commit.committer?.date)
      line.commits.add(shown.sha)
    }
    line.pages++
  }

  /**
   * What a branch was at after a commit; undefined if it never was at that.
   * @param {string | undefined} newest
   * @param {string} sha
   */
  async function lineTo(newest, sha) {
    if (!newest) return
    const line = lines.get(newest) ?? { commits: new Set([newest]), last: newest, pages: 0 }
    lines.set(newest, line)
    while (!line.commits.has(sha)) {
      if (!line.last || line.pages === PAGES_OF_HISTORY) return
      // What is not near may not be there at all.
      if (line.pages && !await isBefore(`${sha}...${newest}`)) return
      await readOn(line)
    }
    const commits = [...line.commits]
    return commits.slice(0, commits.indexOf(sha))
  }

  /** The default branch's newest commit. */
  const newestOfDefault = async () => (await branches(`heads/${default_branch}`)).get(main)

  /**
   * What came after a commit on its branch; undefined if no branch of the environment was ever at it.
   * Where tags start the environment, that branch is the default branch.
   */
  const after = once(async sha => {
    if (isTag) return lineTo(await newestOfDefault(), sha)
    const likely = [context.ref, `refs/heads/${workflow_run?.head_branch}`, main]
    /** @param {[string, string]} branch */
    const rank = ([ref, newest]) => likely.includes(ref) ? 0 : newest === sha ? 1 : 2
    for (const [, newest] of (await own()).sort((a, b) => rank(a) - rank(b))) {
      const found = await lineTo(newest, sha)
      if (found) return found
    }
  })

  /**
   * Whether a branch of the environment was at a commit, or a tag of it is, on the default branch.
   * @param {string} sha
   */
  async function belongs(sha) {
    return (!isTag || await isTagged(sha)) && Boolean(await after(sha))
  }

  /**
   * Why a commit that does not belong is not deployed.
   * @param {string} sha
   */
  const foreign = sha => (isTag ? `No tag like ${refs} is at ${sha}, or it is not on ${default_branch}` : `No branch like ${refs} was ever at ${sha}`) +
    ', so it is not deployed: merge it first'

  /**
   * The commits that are newer than one that belongs, and when the first of all was made: no run can
   * have deployed them before. One whose clock went ahead is outdone by its neighbours.
   * @param {string} sha
   */
  async function ahead(sha) {
    const newer = await after(sha) ?? []
    const made = newer.length ? [sha, ...newer].flatMap(each => dates.get(each) ?? []).sort() : []
    return { commits: new Set(newer), since: made[0] ?? '' }
  }

  /**
   * Whether a run of this branch or tag may be a reviewed one. The name proves nothing, but costs no call.
   * @param {string} name
   */
  const isNear = name => name === default_branch || [`refs/heads/${name}`, `refs/tags/${name}`].some(isOwn)

  /**
   * Whether a run may have deployed, also if its commit is no longer on its branch.
   * @typedef {{event: string, head_branch: string, head_sha: string, head_repository?: {id: number} | null}} Origin
   * @param {Omit<Origin, 'head_sha'>} run
   */
  const mayDeploy = ({ event, head_branch, head_repository }) => head_repository?.id === id &&
    (event === 'workflow_run' || (['push', 'workflow_dispatch'].includes(event) && isNear(head_branch)))

  /**
   * Whether somebody has reviewed what a run ran. A run is as good as its workflow file, and that of
   * a feature branch says what it likes: any title, any package. After `workflow_run` the file is
   * always the default branch's.
   * @param {Origin} run
   */
  async function reviewed({ event, head_branch, head_sha, head_repository }) {
    if (!mayDeploy({ event, head_branch, head_repository })) return false
    if (event === 'workflow_run') return true
    const newest = isTag ? undefined : new Map(await own()).get(`refs/heads/${head_branch}`)
    return Boolean(await lineTo(newest, head_sha) ?? await lineTo(await newestOfDefault(), head_sha))
  }

  /**
   * Whether what a run says of a commit, and holds of it, can be believed. Where any branch may be
   * deployed, anybody brings a workflow of their own: there only this run's branch and the default
   * branch speak for others' commits.
   * @param {Origin & {display_title: string}} run
   */
  async function believed(run) {
    const isOurs = [main, context.ref].includes(`refs/heads/${run.head_branch}`) || run.head_sha === titled(run.display_title)
    return (isOurs || refs !== ANY_BRANCH || run.event === 'workflow_run') && await reviewed(run)
  }

  return { isTag, belongs, foreign, ahead, isNear, mayDeploy, reviewed, believed }
}

module.exports = { titled, started, of }
