// @ts-check
// Decides which commits an environment may deploy, and which runs can be trusted.
const api = require('./api.cjs')

const PAGES_OF_HISTORY = 50 // of 100 commits each
const ANY_BRANCH = '^refs/heads/.*$' // of an environment that only people start

/**
 * The commit in the title of a run; undefined if the title has none.
 * @param {string | undefined} title
 */
const commitInTitle = title => title?.match(/^Deploy ([0-9a-f]{40}) to /)?.[1]

/**
 * The commit that an event asks to deploy. After `workflow_run`, it is in the title of the run that
 * triggered this one; context.sha is then only the newest commit of the default branch.
 * @param {any} context
 * @returns {string | undefined}
 */
const commitOfEvent = ({ payload, sha }) => payload.workflow_run ? commitInTitle(payload.workflow_run.display_title) : sha

/**
 * Asks each question only once, and keeps the answer.
 * @template Answer
 * @param {(question: string) => Promise<Answer>} ask
 * @returns {(question: string) => Promise<Answer>}
 */
function cached(ask) {
  /** @type {Map<string, Promise<Answer>>} */
  const answers = new Map()
  return question => {
    const answer = answers.get(question) ?? ask(question)
    answers.set(question, answer)
    return answer
  }
}

/**
 * What can be asked about the commits of an environment. `refs` is a regular expression over full names:
 * it matches the environment's branches or tags.
 * @param {{github: any, context: any, core: any, refs: string}} options
 */
function environmentCommits({ github, context, core, refs }) {
  const { read, pages } = api({ github, core })
  const { repository: { id, default_branch }, workflow_run } = context.payload
  const main = `refs/heads/${default_branch}`
  const isTag = refs.startsWith('^refs/tags/')
  /** @param {string} ref */
  const isRefOfEnvironment = ref => new RegExp(refs).test(ref)

  /** The branches whose full names start with a prefix, each with its newest commit. */
  const branchesWithPrefix = cached(async prefix => {
    /** @type {Map<string, string>} */
    const found = new Map()
    for await (const { ref, object } of pages('GET /repos/{owner}/{repo}/git/matching-refs/{ref}', { ...context.repo, ref: prefix })) {
      found.set(ref, object.sha)
    }
    return found
  })

  /** The branches of the environment. */
  async function environmentBranches() {
    // The plain text before the first special character, without a character that is repeated.
    const prefix = refs.replace('^refs/', '').replace(/(.[*+?{]|[^\w/-]).*$/, '')
    return [...await branchesWithPrefix(prefix)].filter(([ref]) => isRefOfEnvironment(ref))
  }

  /** Whether a tag of the environment points to a commit. The newest tags come first. */
  const isTagged = cached(async sha => {
    for await (const { name, commit } of pages('GET /repos/{owner}/{repo}/tags', context.repo)) {
      if (commit.sha === sha && isRefOfEnvironment(`refs/tags/${name}`)) return true
    }
    return false
  })

  /** Whether a commit is in the history of another one. Both are given as "older...newer". */
  const isAncestor = cached(async basehead => {
    const compared = await api.undefinedIfGone(read('GET /repos/{owner}/{repo}/compare/{basehead}', { ...context.repo, basehead, per_page: 1 }))
    return compared?.data.status === 'ahead'
  })

  /** The date of each commit. @type {Map<string, string | undefined>} */
  const commitDates = new Map()

  /**
   * The commits that a branch has pointed to, the newest first, as far as they were read. Only these
   * were reviewed: the single commits of a pull request are behind a second parent.
   * @typedef {{commits: Set<string>, next: string | undefined, pages: number}} History `next`: not yet read
   */
  /** By newest commit, and not by name: a tag may have the name of a branch. @type {Map<string, History>} */
  const histories = new Map()

  /** @param {History} history */
  async function readNextPage(history) {
    const { data } = await read('GET /repos/{owner}/{repo}/commits', { ...context.repo, sha: history.next, per_page: 100 })
    const listed = new Map(data.map((/** @type {any} */ commit) => [commit.sha, commit]))
    for (let shown; (shown = listed.get(history.next)); history.next = shown.parents[0]?.sha) {
      commitDates.set(shown.sha, shown.commit.committer?.date)
      history.commits.add(shown.sha)
    }
    history.pages++
  }

  /**
   * The commits that a branch has pointed to since a commit; undefined if it never pointed to that one.
   * @param {string | undefined} newest
   * @param {string} sha
   */
  async function commitsSince(newest, sha) {
    if (!newest) return
    const history = histories.get(newest) ?? { commits: new Set([newest]), next: newest, pages: 0 }
    histories.set(newest, history)
    while (!history.commits.has(sha)) {
      if (!history.next || history.pages === PAGES_OF_HISTORY) return
      // The first page did not have the commit: ask whether the history has it at all.
      if (history.pages && !await isAncestor(`${sha}...${newest}`)) return
      await readNextPage(history)
    }
    const commits = [...history.commits]
    return commits.slice(0, commits.indexOf(sha))
  }

  /** The newest commit of the default branch. */
  const newestOnDefaultBranch = async () => (await branchesWithPrefix(`heads/${default_branch}`)).get(main)

  /**
   * The newer commits on the branch of a commit; undefined if no branch of the environment has ever
   * pointed to it. If tags start the environment, the branch is the default branch.
   */
  const newerOnBranch = cached(async sha => {
    if (isTag) return commitsSince(await newestOnDefaultBranch(), sha)
    const likelyRefs = [context.ref, `refs/heads/${workflow_run?.head_branch}`, main]
    /** @param {[string, string]} branch */
    const rank = ([ref, newest]) => likelyRefs.includes(ref) ? 0 : newest === sha ? 1 : 2
    for (const [, newest] of (await environmentBranches()).sort((a, b) => rank(a) - rank(b))) {
      const found = await commitsSince(newest, sha)
      if (found) return found
    }
  })

  /**
   * Whether the environment may deploy a commit: one of its branches has pointed to it, or one of its
   * tags points to it and it is on the default branch.
   * @param {string} sha
   */
  async function isDeployable(sha) {
    return (!isTag || await isTagged(sha)) && Boolean(await newerOnBranch(sha))
  }

  /**
   * Why the environment may not deploy a commit.
   * @param {string} sha
   */
  const whyNotDeployable = sha => (isTag ? `No tag like ${refs} points to ${sha}, or the commit is not on ${default_branch}`
    : `No branch like ${refs} has ever pointed to ${sha}`) + ', so it is not deployed: merge the commit first'

  /**
   * The commits that are newer than a deployable one, and `since`: no run can have deployed any of them
   * before that time. It is the earliest of all their dates, because the clock of one machine may have been fast.
   * @param {string} sha
   */
  async function newerThan(sha) {
    const newer = await newerOnBranch(sha) ?? []
    const dates = newer.length ? [sha, ...newer].flatMap(each => commitDates.get(each) ?? []).sort() : []
    return { commits: new Set(newer), since: dates[0] ?? '' }
  }

  /**
   * Whether a run on this branch or tag may be reviewed. The name proves nothing, but checking it costs no call.
   * @param {string} name
   */
  const mayBeReviewed = name => name === default_branch || [`refs/heads/${name}`, `refs/tags/${name}`].some(isRefOfEnvironment)

  /**
   * Whether a run may have deployed something, even if its commit is no longer on its branch.
   * @typedef {{event: string, head_branch: string, head_sha: string, head_repository?: {id: number} | null}} Origin
   * @param {Omit<Origin, 'head_sha'>} run
   */
  const mayHaveDeployed = ({ event, head_branch, head_repository }) => head_repository?.id === id &&
    (event === 'workflow_run' || (['push', 'workflow_dispatch'].includes(event) && mayBeReviewed(head_branch)))

  /**
   * Whether the workflow file of a run was reviewed. A workflow on a feature branch can write any title
   * and upload any package. After `workflow_run`, the file always comes from the default branch.
   * @param {Origin} run
   */
  async function isReviewed({ event, head_branch, head_sha, head_repository }) {
    if (!mayHaveDeployed({ event, head_branch, head_repository })) return false
    if (event === 'workflow_run') return true
    const newest = isTag ? undefined : new Map(await environmentBranches()).get(`refs/heads/${head_branch}`)
    return Boolean(await commitsSince(newest, head_sha) ?? await commitsSince(await newestOnDefaultBranch(), head_sha))
  }

  /**
   * Whether the title and the packages of a run can be trusted. If the environment deploys any branch,
   * anybody can push a workflow of their own. Then a run on another branch is trusted only for its own
   * commit; a run on this run's branch or on the default branch is trusted for any commit.
   * @param {Origin & {display_title: string}} run
   */
  async function isTrusted(run) {
    const isOurs = [main, context.ref].includes(`refs/heads/${run.head_branch}`) || run.head_sha === commitInTitle(run.display_title)
    return (isOurs || refs !== ANY_BRANCH || run.event === 'workflow_run') && await isReviewed(run)
  }

  return { isTag, isDeployable, whyNotDeployable, newerThan, mayBeReviewed, mayHaveDeployed, isReviewed, isTrusted }
}

module.exports = { commitInTitle, commitOfEvent, environmentCommits }
