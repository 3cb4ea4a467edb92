// Where the arrays between the layers live.
//
// Synthesis makes them memories of the design. In the C simulation they are static: the stack would overflow on the
// feature maps of a large convolution.
#ifndef FLOW_STORAGE_H
#define FLOW_STORAGE_H

#ifdef __SYNTHESIS__
#define FLOW_STORAGE
#else
#define FLOW_STORAGE static
#endif

#endif
