// @ts-check
// Lists the files of a commit, each with its mode and object id, as `git ls-tree -r` does, without a clone.
const { undefinedIfGone } = require('../shared/api.cjs')

const GONE = [404, 422] // 422: there is no such commit

/** @param {{read: any, context: any}} tools */
module.exports = ({ read, context }) => {
  /** @type {Map<string, Promise<[string, string][] | undefined>>} */
  const known = new Map()

  /**
   * The files of a commit; undefined if GitHub no longer has it.
   * @param {string} commit
   */
  function treeOf(commit) {
    const files = known.get(commit) ?? undefinedIfGone(list(commit, ''), GONE)
    known.set(commit, files)
    return files
  }

  /**
   * A list that GitHub cuts short (100,000 entries, 7 MB) is read folder by folder.
   * @param {string} tree_sha
   * @param {string} folder
   * @returns {Promise<[string, string][]>}
   */
  async function list(tree_sha, folder) {
    const route = 'GET /repos/{owner}/{repo}/git/trees/{tree_sha}'
    let { data } = await read(route, { ...context.repo, tree_sha, recursive: '1' })
    const isCut = data.truncated
    if (isCut) data = (await read(route, { ...context.repo, tree_sha })).data
    if (data.truncated) throw new Error(`GitHub lists the files of ${folder || 'the repository'} only in part: move some of them into subfolders`)
    /** @type {[string, string][]} */
    const files = []
    for (const { path, mode, type, sha } of data.tree) {
      if (type !== 'tree') files.push([folder + path, `${mode} ${sha}`])
      else if (isCut) for (const file of await list(sha, `${folder}${path}/`)) files.push(file) // may be too many arguments for one push
    }
    return files
  }

  /**
   * The text of a file; undefined if the commit does not have it.
   * @param {string} path
   * @param {string} ref
   */
  async function textOf(path, ref) {
    const answer = await undefinedIfGone(read('GET /repos/{owner}/{repo}/contents/{path}', { ...context.repo, path, ref }), GONE)
    return answer && Buffer.from(answer.data.content, 'base64').toString('utf8')
  }

  return { treeOf, textOf }
}
