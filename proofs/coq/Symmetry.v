(* Orthogonal symmetries of the parameters.

   Let Q be an orthogonal map of R^k, given with its inverse Q', that does not change the network:
   f x (Q th) = f x th for all th (a permutation of hidden units, a sign flip of a tanh unit).  Then gradients
   are carried along, grad F (Q th) = Q (grad F th) for every invariant F, in particular for the imitation
   loss with any labels.  So a student that starts at Q th0 and imitates the teacher th0 + e u takes the step
   Q v(e), where v(e) is the step of the student that starts at th0.  After the step both students compute the
   same outputs on all inputs x < m (an input outside the data enters with weight 0), and every trait loss
   that Q leaves alone has the same value, for every e and every alpha.

   The parameters are moved, hence the inner product <Q v(e), u> may have any sign: in the example at the end
   it is - <v(e), u> < 0 although the trait loss falls exactly as for the shared initialisation.  Between
   models with different parameters the trait loss tests transmission, the parameter product does not. *)
From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives Losses OneStep OneOutput.
Open Scope R_scope.

(* Q is orthogonal with inverse (= transpose) Q' *)
Record orthogonal (k : nat) (Q Q' : vec -> vec) : Prop := {
  orth_adjoint : forall a b, dot k (Q a) b = dot k a (Q' b);
  orth_left : forall a j, (j < k)%nat -> Q' (Q a) j = a j;
  orth_right : forall a j, (j < k)%nat -> Q (Q' a) j = a j }.

(* F sees the first k parameters only *)
Definition depends_on (k : nat) (F : vec -> R) : Prop :=
  forall a b, (forall j, (j < k)%nat -> a j = b j) -> F a = F b.

Section Orthogonal.
Variables (k : nat) (Q Q' : vec -> vec).
Hypothesis HQ : orthogonal k Q Q'.

(* such a map is linear *)
Lemma orth_linear a b c j : (j < k)%nat -> Q (fun i => a i + c * b i) j = Q a j + c * Q b j.
Proof.
  intros Hj. rewrite <- (dot_delta k _ j Hj), (orth_adjoint _ _ _ HQ).
  rewrite (dot_plus_l k a (fun i => c * b i)), dot_scal_l.
  rewrite <- !(orth_adjoint _ _ _ HQ), !dot_delta by exact Hj. reflexivity.
Qed.

Lemma orth_inverse_sub a b j : (j < k)%nat -> Q' (vsub a b) j = Q' a j - Q' b j.
Proof.
  intros Hj. rewrite <- (dot_delta k _ j Hj), dot_sym, <- (orth_adjoint _ _ _ HQ). unfold vsub.
  rewrite dot_minus_r, !(orth_adjoint _ _ _ HQ), !(dot_sym k (delta j)), !dot_delta by exact Hj. reflexivity.
Qed.

Lemma orth_inverse_nrm a : nrm k (Q' a) = nrm k a.
Proof.
  unfold nrm. f_equal. rewrite <- (orth_adjoint _ _ _ HQ). apply dot_ext.
  - intros i Hi. apply (orth_right _ _ _ HQ), Hi.
  - reflexivity.
Qed.

Lemma orth_dot a b : dot k (Q a) (Q b) = dot k a b.
Proof.
  rewrite (orth_adjoint _ _ _ HQ). apply dot_ext; [reflexivity|].
  intros i Hi. apply (orth_left _ _ _ HQ), Hi.
Qed.

(* Gradients are carried along: at Q th0 an invariant function has the gradient Q G. *)
Theorem gradient_equivariance F th0 G : depends_on k F -> (forall th, F (Q th) = F th) ->
  has_grad k F th0 G -> has_grad k F (Q th0) (Q G).
Proof.
  intros Hdep Hinv HF e He. destruct (HF e He) as [d [Hd Hy]].
  exists d. split; [exact Hd|]. intros y Hyd.
  assert (Hsub : forall j, (j < k)%nat -> vsub (Q' y) th0 j = Q' (vsub y (Q th0)) j).
  { intros j Hj. rewrite orth_inverse_sub by exact Hj. unfold vsub.
    rewrite (orth_left _ _ _ HQ) by exact Hj. reflexivity. }
  assert (Hn : nrm k (vsub (Q' y) th0) = nrm k (vsub y (Q th0))).
  { rewrite (nrm_ext _ _ _ Hsub). apply orth_inverse_nrm. }
  assert (HFy : F y = F (Q' y)).
  { rewrite <- (Hinv (Q' y)). apply Hdep. intros j Hj. symmetry. apply (orth_right _ _ _ HQ), Hj. }
  assert (HG : dot k (Q G) (vsub y (Q th0)) = dot k G (vsub (Q' y) th0)).
  { rewrite (orth_adjoint _ _ _ HQ). apply dot_ext; [reflexivity|]. intros j Hj. symmetry. apply Hsub, Hj. }
  rewrite HFy, Hinv, HG, <- Hn. apply Hy. rewrite Hn. exact Hyd.
Qed.

Section Network.
Variables (n m : nat) (L : vec -> vec -> R) (a : vec -> vec) (H : vec -> nat -> vec).
Variables (w : nat -> R) (f : nat -> vec -> vec) (th0 : vec).
Hypothesis HL : compatible n L a H.
Hypothesis Hdiff : forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun th => f x th i) th0.
Hypothesis Hdep : forall x i, (x < m)%nat -> (i < n)%nat -> depends_on k (fun th => f x th i).
Hypothesis Hsym : forall x i th, (x < m)%nat -> (i < n)%nat -> f x (Q th) i = f x th i.

Lemma loss_agree z z' y : (forall i, (i < n)%nat -> z' i = z i) -> L z' y = L z y.
Proof.
  intros Hz. apply (has_grad_agree n (fun z0 => L z0 y) z _ (comp_loss _ _ _ _ HL z y) z' Hz).
Qed.

(* Equivariance of the step: the student that starts at Q th0 moves by Q v(e), for every direction u of the
   teacher and every e. *)
Theorem step_equivariance u e j : (j < k)%nat ->
  student_from m L w f (Q th0) th0 u e j = Q (student_step m L w f th0 u e) j.
Proof.
  intros Hj. unfold student_from, student_step.
  set (F := imitation m L w f (fun x => f x (teacher th0 u e))).
  assert (HdepF : depends_on k F).
  { intros b c Hbc. unfold F, imitation. apply rsum_ext. intros x Hx. f_equal. apply loss_agree.
    intros i Hi. exact (Hdep x i Hx Hi b c Hbc). }
  assert (HinvF : forall th, F (Q th) = F th).
  { intros th. unfold F, imitation. apply rsum_ext. intros x Hx. f_equal. apply loss_agree.
    intros i Hi. apply Hsym; assumption. }
  assert (HF : has_grad k F th0 (grad F th0)).
  { apply grad_has. eexists. unfold F. eapply imitation_has_grad; eassumption. }
  unfold gstep at 1.
  rewrite (grad_eq k F (Q th0) (Q (grad F th0)) (gradient_equivariance F th0 _ HdepF HinvF HF) j Hj).
  rewrite <- (dot_delta k (Q (gstep F th0)) j Hj), <- (dot_delta k (Q (grad F th0)) j Hj).
  rewrite !(orth_adjoint _ _ _ HQ). unfold dot, gstep. rewrite <- rsum_opp.
  apply rsum_ext. intros i _. ring.
Qed.

Lemma moved_equivariance u e alpha j : (j < k)%nat ->
  moved (Q th0) alpha (student_from m L w f (Q th0) th0 u e) j =
  Q (moved th0 alpha (student_step m L w f th0 u e)) j.
Proof.
  intros Hj. unfold moved. rewrite orth_linear by exact Hj. rewrite step_equivariance by exact Hj.
  reflexivity.
Qed.

(* After the step the two students compute the same outputs on all inputs x < m (an input outside the data
   enters with weight 0), and any trait loss that Q leaves alone has the
   same value, for every e and every alpha. *)
Theorem same_function_after_step LT u e alpha : depends_on k LT -> (forall th, LT (Q th) = LT th) ->
  let v := student_step m L w f th0 u e in
  let v' := student_from m L w f (Q th0) th0 u e in
  (forall x i, (x < m)%nat -> (i < n)%nat -> f x (moved (Q th0) alpha v') i = f x (moved th0 alpha v) i) /\
  LT (moved (Q th0) alpha v') = LT (moved th0 alpha v).
Proof.
  intros HdepT HinvT v v'. split.
  - intros x i Hx Hi. rewrite <- (Hsym x i (moved th0 alpha v) Hx Hi).
    apply (Hdep x i Hx Hi). intros j Hj. apply moved_equivariance, Hj.
  - rewrite <- (HinvT (moved th0 alpha v)). apply HdepT. intros j Hj. apply moved_equivariance, Hj.
Qed.
End Network.
End Orthogonal.

(* --- permutations --- *)
(* sigma permutes the indices below k, tau is its inverse *)
Definition permutation (k : nat) (sigma tau : nat -> nat) : Prop :=
  forall j, (j < k)%nat -> (sigma j < k)%nat /\ (tau j < k)%nat /\ tau (sigma j) = j /\ sigma (tau j) = j.
Definition permute (sigma : nat -> nat) (th : vec) : vec := fun j => th (sigma j).

Lemma rsum_permute k sigma tau g : permutation k sigma tau -> rsum k (fun j => g (sigma j)) = rsum k g.
Proof.
  intros Hp.
  transitivity (rsum k (fun j => rsum k (fun i => g i * delta (sigma j) i))).
  { apply rsum_ext. intros j Hj. symmetry. apply rsum_delta. apply Hp, Hj. }
  rewrite rsum_swap. apply rsum_ext. intros i Hi.
  destruct (Hp i Hi) as [_ [Hti [_ Hst]]].
  transitivity (rsum k (fun j => g i * delta (tau i) j)).
  - apply rsum_ext. intros j Hj. f_equal. unfold delta.
    destruct (Hp j Hj) as [_ [_ [Hts _]]].
    destruct (Nat.eqb_spec i (sigma j)) as [Hij|Hij]; destruct (Nat.eqb_spec j (tau i)) as [Hji|Hji];
      try reflexivity; exfalso.
    + apply Hji. rewrite Hij. symmetry. exact Hts.
    + apply Hij. rewrite Hji. symmetry. exact Hst.
  - exact (rsum_delta k (fun _ => g i) (tau i) Hti).
Qed.

Lemma permute_orthogonal k sigma tau : permutation k sigma tau -> orthogonal k (permute sigma) (permute tau).
Proof.
  intros Hp. constructor.
  - intros a b. unfold dot. rewrite <- (rsum_permute k sigma tau (fun i => a i * permute tau b i) Hp).
    apply rsum_ext. intros j Hj. unfold permute. destruct (Hp j Hj) as [_ [_ [Hts _]]]. rewrite Hts.
    reflexivity.
  - intros a j Hj. unfold permute. destruct (Hp j Hj) as [_ [_ [_ Hst]]]. rewrite Hst. reflexivity.
  - intros a j Hj. unfold permute. destruct (Hp j Hj) as [_ [_ [Hts _]]]. rewrite Hts. reflexivity.
Qed.

(* Permuting the parameters of the student's start by a permutation that the network does not see (hidden
   units): the step is permuted, the outputs and the trait loss after it are the same, for every e and every
   alpha. *)
Theorem permutation_equivariance k n m L a H w f th0 sigma tau LT u e alpha :
  permutation k sigma tau ->
  compatible n L a H ->
  (forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun th => f x th i) th0) ->
  (forall x i, (x < m)%nat -> (i < n)%nat -> depends_on k (fun th => f x th i)) ->
  (forall x i th, (x < m)%nat -> (i < n)%nat -> f x (permute sigma th) i = f x th i) ->
  depends_on k LT -> (forall th, LT (permute sigma th) = LT th) ->
  let v := student_step m L w f th0 u e in
  let v' := student_from m L w f (permute sigma th0) th0 u e in
  (forall j, (j < k)%nat -> v' j = v (sigma j)) /\
  (forall x i, (x < m)%nat -> (i < n)%nat ->
     f x (moved (permute sigma th0) alpha v') i = f x (moved th0 alpha v) i) /\
  LT (moved (permute sigma th0) alpha v') = LT (moved th0 alpha v).
Proof.
  intros Hp HL Hdiff Hdep Hsym HdepT HinvT v v'.
  assert (HQ := permute_orthogonal k sigma tau Hp). split.
  - intros j Hj.
    exact (step_equivariance k _ _ HQ n m L a H w f th0 HL Hdiff Hdep Hsym u e j Hj).
  - exact (same_function_after_step k _ _ HQ n m L a H w f th0 HL Hdiff Hdep Hsym LT u e alpha HdepT HinvT).
Qed.

(* Two hidden units with any differentiable activation, parameters (a0, a1, b0, b1): exchanging the units. *)
Definition swap_units (j : nat) : nat := match j with O => 1 | 1 => 0 | 2 => 3 | 3 => 2 | _ => j end%nat.
Definition two_units (act : R -> R) (X : nat -> R) (x : nat) (th : vec) (_ : nat) : R :=
  th 2%nat * act (th 0%nat * X x) + th 3%nat * act (th 1%nat * X x).

(* Exchanging the two units moves the step with them and leaves the outputs after it as they are. *)
Corollary swap_hidden_units act dact X m L a H w th0 u e alpha :
  (forall t, is_derive act t (dact t)) -> compatible 1 L a H ->
  let f := two_units act X in
  let v := student_step m L w f th0 u e in
  let v' := student_from m L w f (permute swap_units th0) th0 u e in
  (forall j, (j < 4)%nat -> v' j = v (swap_units j)) /\
  forall x, (x < m)%nat ->
    f x (moved (permute swap_units th0) alpha v') 0%nat = f x (moved th0 alpha v) 0%nat.
Proof.
  intros Hact HL f v v'.
  destruct (permutation_equivariance 4 1 m L a H w f th0 swap_units swap_units (fun _ => 0) u e alpha)
    as [Hv [Hout _]].
  - intros j Hj. destruct j as [|[|[|[|j]]]]; cbn; repeat split; lia.
  - exact HL.
  - intros x i _ _. eexists. unfold f, two_units.
    apply (has_grad_plus 4 (fun th => th 2%nat * act (th 0%nat * X x))
      (fun th => th 3%nat * act (th 1%nat * X x)));
      apply has_grad_mult; try (apply has_grad_coord; lia);
      (eapply (has_grad_comp1 4 act); [apply Hact|]);
      apply has_grad_mult; solve [apply has_grad_const | apply has_grad_coord; lia].
  - intros x i _ _ b c Hbc. unfold f, two_units. rewrite !Hbc by lia. reflexivity.
  - intros x i th _ _. unfold f, two_units, permute. cbn [swap_units]. ring.
  - intros b c _. reflexivity.
  - reflexivity.
  - split; [exact Hv|]. intros x Hx. exact (Hout x 0%nat Hx Nat.lt_0_1).
Qed.

(* --- the sign of the inner product --- *)
Lemma flip_orthogonal k : orthogonal k (fun a j => - a j) (fun a j => - a j).
Proof.
  constructor.
  - intros a b. unfold dot. apply rsum_ext. intros j _. ring.
  - intros a j _. ring.
  - intros a j _. ring.
Qed.

(* The network th0 * th1 does not see the sign flip Q th = - th. The student that starts at Q (0,1) = (0,-1)
   has a negative inner product with the teacher's direction for every e > 0, and its trait loss is that of
   the student with the shared initialisation: it falls whenever 0 < alpha * e < 2. *)
Theorem negative_alignment_same_transmission :
  let F := fun th : vec => th 0%nat * th 1%nat in
  let LT := fun th : vec => (th 0%nat * th 1%nat - 1) ^ 2 / 2 in
  let th0 := vec2 0 1 in
  let thS := fun j => - th0 j in
  let u := gstep LT th0 in
  forall e alpha, 0 < e -> 0 < alpha ->
    let v := step1 F th0 u e in
    let v' := step1_from F thS th0 u e in
    0 < dot 2 v u /\ dot 2 v' u < 0 /\
    LT (moved thS alpha v') = LT (moved th0 alpha v) /\
    (alpha * e < 2 -> LT (moved th0 alpha v) < LT th0 /\ LT (moved thS alpha v') < LT thS).
Proof.
  intros F LT th0 thS u e alpha He Halpha v v'.
  assert (HF : has_grad 2 F th0 (vec2 1 0)) by (unfold F, th0; grad_is).
  assert (HF' : has_grad 2 F thS (vec2 (-1) 0)) by (unfold F, thS, th0; grad_is).
  assert (HT : has_grad 2 LT th0 (vec2 (-1) 0)) by (unfold LT, th0; grad_is).
  assert (U0 : u 0%nat = 1) by (unfold u; rewrite (gstep_is 2 _ _ _ _ HT); [cbn [vec2]; ring | lia]).
  assert (U1 : u 1%nat = 0) by (unfold u; rewrite (gstep_is 2 _ _ _ _ HT); [cbn [vec2]; ring | lia]).
  assert (D : F (teacher th0 u e) = e) by (unfold F, teacher; rewrite U0, U1; unfold th0; cbn [vec2]; ring).
  assert (V0 : v 0%nat = e).
  { unfold v. rewrite (step1_is 2 _ _ _ _ _ _ HF), D; [unfold F, th0; cbn [vec2]; ring | lia]. }
  assert (V1 : v 1%nat = 0).
  { unfold v. rewrite (step1_is 2 _ _ _ _ _ _ HF); [cbn [vec2]; ring | lia]. }
  assert (V0' : v' 0%nat = - e).
  { unfold v'. rewrite (step1_from_is 2 _ _ _ _ _ _ _ HF'), D; [unfold F, thS, th0; cbn [vec2]; ring | lia]. }
  assert (V1' : v' 1%nat = 0).
  { unfold v'. rewrite (step1_from_is 2 _ _ _ _ _ _ _ HF'); [cbn [vec2]; ring | lia]. }
  assert (Hae : 0 < alpha * e) by (apply Rmult_lt_0_compat; assumption).
  unfold dot, LT, moved. cbn [rsum]. rewrite V0, V1, V0', V1', U0, U1. unfold thS, th0. cbn [vec2].
  split; [lra|]. split; [lra|]. split; [field|]. intros Hae2.
  assert (0 < alpha * e * (2 - alpha * e)) by (apply Rmult_lt_0_compat; lra).
  split; nra.
Qed.
