/**
 * fast-check as specs get it. It looks for the smallest input that breaks a property, which can take longer than all tests together (an offset that must
 * go down with a length goes down one by one), in a loop that stops jest's own timeouts; and of a property that a control has to break nobody wants it.
 * So it does that when asked to: `HOLDFAST_SHRINK=1`, with the seed and path that the failure tells.
 */
// By its file: its name is what leads here.
const fc = require('../../../node_modules/fast-check/lib/cjs/fast-check.js');

fc.configureGlobal({ endOnFailure: process.env.HOLDFAST_SHRINK !== '1' });
module.exports = fc;
