// @ts-check
// Waits, and counts minutes.

exports.DAY = 86_400_000 // milliseconds

/**
 * @param {number} seconds
 * @returns {Promise<void>}
 */
exports.sleep = seconds => new Promise(resolve => setTimeout(resolve, seconds * 1000))

/** @param {number} time in milliseconds, as Date.now() gives it */
exports.minutesSince = time => (Date.now() - time) / 60_000
